"""Running statistics against those of the batch."""
