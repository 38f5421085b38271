"""Wide residual networks for CIFAR."""
