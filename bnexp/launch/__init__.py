"""Runs many runs, one after the other or side by side, and says how they fare."""
