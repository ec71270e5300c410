"""Examine a data set before it trains: files, groups, near-duplicates, suspected label errors."""
