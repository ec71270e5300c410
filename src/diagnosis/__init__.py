"""Symptoms of a study's trials, rules and remedies."""
