"""A network of one's own, from a Python file."""
