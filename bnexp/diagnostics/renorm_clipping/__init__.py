"""How often batch renormalization's correction is clipped."""
