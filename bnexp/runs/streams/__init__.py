"""What a run writes row by row while it trains: metrics, and TensorBoard's events."""
