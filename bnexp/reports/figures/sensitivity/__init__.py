"""The metric over a swept number: found, drawn, and put in words."""
