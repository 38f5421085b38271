"""Commands that describe, check and train experiments."""
