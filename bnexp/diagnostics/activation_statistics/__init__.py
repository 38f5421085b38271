"""Statistics of activations."""
