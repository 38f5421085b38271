"""Small layers that several networks use."""
