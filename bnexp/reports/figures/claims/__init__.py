"""The figure of a claim: the one that shows its evidence best."""
