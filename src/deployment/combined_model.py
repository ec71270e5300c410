"""A combination of networks as a model of its own: a run with its predictions, and a registered version."""
