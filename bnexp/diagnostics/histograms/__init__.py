"""Histograms of what layers give out and hold."""
