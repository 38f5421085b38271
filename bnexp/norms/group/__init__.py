"""Group norm."""
