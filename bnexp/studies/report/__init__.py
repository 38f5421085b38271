"""The report on studies, in each format."""
