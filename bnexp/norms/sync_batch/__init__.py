"""Batch norm synchronized between processes."""
