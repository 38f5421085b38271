"""How norms stand in a network, and what they see of a batch."""
