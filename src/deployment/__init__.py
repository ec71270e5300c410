"""Use of the recommended model: predict, promote, export, explain and serve."""
