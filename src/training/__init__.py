"""From a network and a data set to numbers: phases, their fitting, and what the kept weights are worth."""
