"""How a time budget is spent: decisions as functions of values. Knows nothing of trials' runs, launchers or words."""
