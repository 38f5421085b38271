"""A plain CNN, layer by layer."""
