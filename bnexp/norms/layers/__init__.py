"""The layers themselves; imported only where one is built, since they need torch."""
