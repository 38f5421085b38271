"""What Python and notebooks use: the functions that `bnexp` names, behind its commands too."""
