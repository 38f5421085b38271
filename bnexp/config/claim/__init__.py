"""Claims, written down before the runs."""
