"""How far a run is, written to JSON and read back."""

import math

from bnexp.training.saving.progress import CheckpointMetadata, Progress


def test_the_progress_of_a_run_that_diverged_reads_back():
    progress = Progress(epoch_totals=(math.nan, 95.0, 1000), bad_loss=math.inf)
    metadata = CheckpointMetadata(fingerprint="0", conditions={}, progress=progress)

    read = CheckpointMetadata.read(metadata.to_bytes()).progress

    assert math.isnan(read.epoch_totals[0])
    assert read.epoch_totals[1:] == (95.0, 1000)
    assert read.bad_loss == math.inf
