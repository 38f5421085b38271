"""EvoNorm, a norm and an activation in one."""
