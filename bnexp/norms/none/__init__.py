"""No normalization."""
