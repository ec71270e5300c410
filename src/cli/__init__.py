"""Hydra's side of a command: composition, entry, signals and error messages."""
