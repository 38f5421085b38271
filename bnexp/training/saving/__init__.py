"""What is saved of a training, when, and how it goes on from there."""
