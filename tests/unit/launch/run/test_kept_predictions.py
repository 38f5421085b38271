"""Which predictions a run keeps when it ends."""

import pytest
from interrupted_runs import plan, train

from bnexp.runs import read_run
from bnexp.runs.measured.predictions import read_predictions


@pytest.mark.parametrize("most", [0, 2])
def test_a_run_keeps_as_many_pictures_as_it_was_asked_to(tmp_path, most):
    run = plan(tmp_path, "train.epochs=1", f"evaluate.mistakes={most}", "data.test_size=50")
    assert train(run)[0] == "finished"

    found = read_predictions(record := read_run(run.folder.path))
    assert len(found.labels) == 50
    assert len(found.pictures) == len(found.mistakes) == most
    assert found.confusion.accuracy == record.summary.final["test/accuracy"]


def test_a_run_that_diverged_keeps_none(tmp_path):
    run = plan(tmp_path, "train.epochs=1", "optim.learning_rate=1e9")
    assert train(run)[0] == "diverged"

    assert not run.folder.predictions.exists()
    assert read_predictions(read_run(run.folder.path)) is None
