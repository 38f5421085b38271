"""Pure statistics: run records in, comparisons and verdicts out; no torch, no files."""
