"""Images of trees, drawn by formula: a data set of 23 classes that needs no download."""
