"""Train a network on a data set: phases, their epochs, and the evaluation of the kept weights."""
