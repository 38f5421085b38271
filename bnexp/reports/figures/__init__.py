"""A comparison in figures."""
