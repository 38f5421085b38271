"""What is wrong with a machine, a config or a trained run, and how to fix it."""
