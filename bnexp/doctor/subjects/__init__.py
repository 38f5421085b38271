"""What the doctor examines: a machine, one cell of a config, a network."""
