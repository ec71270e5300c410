"""Helpers that all rooms use and that use no room."""
