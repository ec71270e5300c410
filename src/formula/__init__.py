"""Pre-training on pictures drawn by formulas: generators, trainer, and the weights that come with the project."""
