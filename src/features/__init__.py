"""Features of frozen layers, computed once for each image and view, and kept on disk."""
