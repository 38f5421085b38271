"""Filter response norm."""
