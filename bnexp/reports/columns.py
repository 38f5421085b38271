"""The columns of a comparison's table that can be chosen."""

COLUMNS = (
    "n",
    "mean",
    "difference",
    "p",
    "verdict",
    "epochs_to_target",
    "train_test_gap",
    "images_per_second",
    "memory",
    "runs",
)
"""The names by which columns are chosen; a comparison may lack some."""
