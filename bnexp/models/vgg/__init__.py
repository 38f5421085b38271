"""VGG networks."""
