"""Commands that compare runs and show what came out."""
