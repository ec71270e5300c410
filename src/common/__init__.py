"""What every room uses and what uses no room."""
