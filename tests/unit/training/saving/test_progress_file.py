"""How far a run is, written to JSON and read back."""

import math

import pytest

from bnexp.training.saving.progress import CheckpointMetadata, Progress


def test_the_progress_of_a_run_that_diverged_reads_back():
    progress = Progress(epoch_totals=(math.nan, 95.0, 1000), bad_loss=math.inf)
    metadata = CheckpointMetadata(fingerprint="0", conditions={}, progress=progress)

    read = CheckpointMetadata.read(metadata.to_bytes()).progress

    assert math.isnan(read.epoch_totals[0])
    assert read.epoch_totals[1:] == (95.0, 1000)
    assert read.bad_loss == math.inf


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"step": 9, "epoch": 1, "step_in_epoch": 3}, None),
        ({"step": 12, "epoch": 1, "step_in_epoch": 6}, None),
        (
            {"step": 8, "epoch": 1, "step_in_epoch": 3},
            "step 8 is not step 3 of 6 after 1 epoch",
        ),
        (
            {"step": 13, "epoch": 1, "step_in_epoch": 7},
            "step 13 is not step 7 of 6 after 1 epoch",
        ),
        ({"step": 13, "epoch": 2, "step_in_epoch": 1}, "step 13 is beyond the run's end"),
        (
            {"step": 9, "epoch": 1, "step_in_epoch": 3, "history": {"test/loss": [1.0, 0.9]}},
            "the history does not cover 1 epoch",
        ),
    ],
)
def test_a_position_that_no_run_of_two_epochs_of_six_steps_has_is_found(fields, problem):
    assert Progress(**fields).find_problem(2, 6) == problem


def test_a_longer_run_knows_which_rows_the_shorter_one_lost():
    shorter = Progress(rows=3, lost_rows=["line 2 cannot be read and is left out"])

    assert shorter.go_beyond_end().lost_rows == shorter.lost_rows
