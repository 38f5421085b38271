"""What a run measures besides loss and accuracy: the `Probe` protocol; no diagnostic yet."""
