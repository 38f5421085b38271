"""Dynamic tanh."""
