"""Statistics of what norms have learned and gathered."""
