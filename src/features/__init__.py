"""What frozen layers give, computed once for each image and view, and kept on disk."""
