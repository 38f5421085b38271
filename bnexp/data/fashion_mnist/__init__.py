"""Fashion-MNIST: downloaded, verified and read."""
