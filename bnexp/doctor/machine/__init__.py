"""What a machine needs to train."""
