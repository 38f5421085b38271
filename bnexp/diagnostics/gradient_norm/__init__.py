"""Norms of gradients."""
