"""Many experiments with claims, judged as one family, in one report."""
