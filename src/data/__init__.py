"""Make a data set of images: list, decode once, split, and load batches."""
