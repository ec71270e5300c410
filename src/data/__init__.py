"""From photos to a data set: list, decode once, split, and hand out batches."""
