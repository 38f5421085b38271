"""Pictures in folders, one folder per class."""
