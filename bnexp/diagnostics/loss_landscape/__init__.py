"""The loss along the gradient."""
