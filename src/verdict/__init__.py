"""From the numbers of many trials to an honest verdict: pure functions on plain records, no MLflow, no figures."""
