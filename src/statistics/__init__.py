"""Arrays in, numbers out; nothing here knows trials, MLflow or words."""
