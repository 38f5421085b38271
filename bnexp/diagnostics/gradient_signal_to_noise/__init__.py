"""How much of a gradient is signal."""
