"""What MLflow remembers: the store, a trial's run, its key. No other room knows MLflow."""
