"""Densely connected networks for CIFAR."""
