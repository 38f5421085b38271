"""Which runs are trained before the next decision about an experiment is made."""
