"""Updates in relation to what they update."""
