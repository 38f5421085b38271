"""Every path and file of a run on disk; metrics, status and TensorBoard events."""
