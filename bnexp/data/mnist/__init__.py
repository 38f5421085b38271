"""MNIST: downloaded, verified and read."""
