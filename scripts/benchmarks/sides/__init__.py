"""Ways to train the same network on the same pictures: a module per side of the comparison."""
