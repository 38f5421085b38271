"""Optimiser, schedule, seeding, the loop and evaluation."""
