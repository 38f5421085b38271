"""Instance norm."""
