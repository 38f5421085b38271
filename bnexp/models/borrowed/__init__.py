"""What networks of other libraries have in common."""
