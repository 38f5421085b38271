"""From the runs of an experiment to verdicts on its claims."""
