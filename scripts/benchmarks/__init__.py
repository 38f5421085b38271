"""What `scripts/benchmark.py` measures: a module per subject."""
