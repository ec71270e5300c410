"""One trial: plan, key, context, run."""
