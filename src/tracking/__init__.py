"""MLflow's side: the store, a trial's run, its key. No other room knows MLflow."""
