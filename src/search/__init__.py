"""Many trials: grids and searches as Hydra sweepers, and the study that they make."""
