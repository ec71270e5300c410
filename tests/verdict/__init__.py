"""Statistics and rules of the verdict: closed forms, simulated studies, sentences."""
