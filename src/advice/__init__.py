"""Decide how a time budget is spent, by functions of values that know nothing of trials' runs, launchers or words."""
