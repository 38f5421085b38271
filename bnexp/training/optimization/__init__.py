"""How a step changes the network: the optimiser, clipping, and which weights are trained."""
