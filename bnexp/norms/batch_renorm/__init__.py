"""Batch renormalization."""
