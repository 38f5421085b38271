"""A comparison in TensorBoard."""
