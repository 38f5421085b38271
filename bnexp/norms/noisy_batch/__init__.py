"""Noisy batch norm."""
