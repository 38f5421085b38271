"""CIFAR-10: downloaded, verified and read."""
