"""The section `train`: how often a run is saved."""

import pytest

from bnexp.config.train import CheckpointInterval, TrainConfig, read_interval


@pytest.mark.parametrize(
    ("written", "interval"),
    [
        (500, CheckpointInterval(steps=500)),
        ("30s", CheckpointInterval(seconds=30.0)),
        ("0.5 s", CheckpointInterval(seconds=0.5)),
        ("5min", CheckpointInterval(seconds=300.0)),
        ("2h", CheckpointInterval(seconds=7200.0)),
        (None, CheckpointInterval()),
    ],
)
def test_an_interval_is_steps_or_time(written, interval):
    assert read_interval(written) == interval
    assert TrainConfig(checkpoint_every=written).checkpoint_interval == interval


@pytest.mark.parametrize("written", [0, -3, "30", "30x", "0s", "s", "", True, 1.5, "1e3s", ["5s"]])
def test_another_interval_is_refused_with_what_one_looks_like(written):
    with pytest.raises(ValueError, match=r"e\.g\. 500|at least 1 step|more than 0"):
        TrainConfig(checkpoint_every=written)
