"""Statistics of arrays, without trials, MLflow or words."""
