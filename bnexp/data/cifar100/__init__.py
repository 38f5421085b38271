"""CIFAR-100: downloaded, verified and read."""
