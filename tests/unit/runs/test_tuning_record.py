"""tuning.json is believed only if it is what tuning wrote."""

import json

import pytest
from made_up_runs import make_run, seal

from bnexp.analysis.differences.tuning import read_tuning
from bnexp.runs import read_run
from bnexp.runs.inspection import inspect
from bnexp.runs.run_dir import TUNING
from bnexp.runs.tuning_record import FILE, read_tunings, write_tunings

RATE = "optim.learning_rate"


def tune(*rates):
    return {
        "over": {RATE: [*rates]},
        "by": "val/accuracy",
        "seeds": [100],
        "arm": None,
        "each": None,
        "chosen": {RATE: 0.1},
        "at_edge": [RATE],
        "scores": [
            {"values": {RATE: rate}, "mean": 0.6 - rate, "n": 1, "diverged": 0} for rate in rates
        ],
    }


@pytest.fixture
def run(tmp_path):
    """A run that was tuned over two rates, and later again over three, with the same choice."""
    path = tmp_path / "study/norm=batch/seed=0"
    make_run(path, {"model.norm.name": "batch", RATE: 0.1})
    environment = json.loads((path / "environment.json").read_text())
    environment["tuning"] = tune(0.1, 0.2)
    (path / "environment.json").write_text(json.dumps(environment))
    seal(path)
    folder = tmp_path / "study" / TUNING
    folder.mkdir()
    write_tunings(folder, {"norm=batch": tune(0.05, 0.1, 0.2)})
    return path


def test_what_was_last_tuned_is_read(run):
    record = read_run(run)

    assert len(read_tuning(record).trials) == 3
    assert record.doubts == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"n": 1', '"n": 9', 1),
        lambda text: text.replace('"at_edge": [', '"at_edge": [], "x": ['),
        lambda text: text.replace('"sha256"', '"sha512"'),
        lambda text: json.dumps(json.loads(text)["cells"]),
        lambda text: '{"cells": [1], "sha256": ""}',
        lambda text: "[" * 100_000,
        lambda text: "",
    ],
)
def test_an_altered_file_is_named_and_the_run_keeps_its_own_tuning(change, run):
    file = run.parents[1] / TUNING / FILE
    file.write_text(change(file.read_text()))

    record = read_run(run)

    assert len(read_tuning(record).trials) == 2
    assert record.state == "finished"
    (doubt,) = record.doubts
    assert doubt.startswith(f"{file} is not what this version's tuning wrote")
    assert [one.text for one in inspect(run)] == [doubt]


def test_a_file_that_is_missing_is_named_unless_the_tuning_runs_are_too(run):
    file = run.parents[1] / TUNING / FILE
    file.unlink()
    assert read_run(run).doubts == (f"{file} is missing",)
    file.parent.rmdir()
    assert read_run(run).doubts == ()


def test_what_is_no_plain_file_is_named_and_replaced(run):
    file = run.parents[1] / TUNING / FILE
    file.unlink()
    file.mkdir()

    assert read_run(run).doubts == (f"{file} cannot be read: it is not a plain file",)
    write_tunings(file.parent, {"norm=batch": tune(0.1)})

    assert read_tunings(file.parent) == ({"norm=batch": tune(0.1)}, None)
    assert file.with_name(f"aside-1-{FILE}").is_dir()


def test_the_same_tuning_is_not_written_again(run):
    file = run.parents[1] / TUNING / FILE
    before = file.stat()

    write_tunings(file.parent, {"norm=batch": tune(0.05, 0.1, 0.2)})

    assert file.stat().st_ino == before.st_ino
    assert read_tunings(file.parent)[1] is None
