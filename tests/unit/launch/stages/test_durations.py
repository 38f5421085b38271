"""The duration in a plan comes from finished runs of the same cells on this machine."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.launch.plan import plan_runs
from bnexp.launch.stages.durations import describe_duration
from bnexp.runs import Summary
from bnexp.runs.environment import describe_processor

CONFIG = """\
name: trial
data: {name: shapes}
model: {name: cnn, layers: [{conv: 4}]}
train: {epochs: 3}
sweep:
  seeds: 3
  grid: {model.norm: [none, batch]}
"""


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    return load_experiment(tmp_path / "c.yaml")


def finish(run, seconds, processor=None):
    """Leaves what a finished run leaves, as far as a plan reads it."""
    run.folder.create("", {"processor": processor or describe_processor()})
    summary = Summary("finished", 3, 9, seconds, 1.0, 1, 1, final={}, best={}, history={})
    run.folder.write_summary(summary)


def plan(experiment, tmp_path):
    return plan_runs(experiment, tmp_path / "runs", is_forced=False)


def test_it_is_that_of_the_cells_finished_runs(experiment, tmp_path):
    for run, seconds in zip(plan(experiment, tmp_path), (60, 90, None, 120), strict=False):
        if seconds:
            finish(run, seconds)
    # One run of 75 s, the median, and two of 120 s.
    assert describe_duration(plan(experiment, tmp_path)).startswith("about 5 min 15 s for 3 runs")


def test_it_is_unknown_where_a_cell_has_no_finished_run(experiment, tmp_path):
    assert describe_duration(plan(experiment, tmp_path)).startswith("duration unknown:")
    finish(plan(experiment, tmp_path)[0], 60)
    assert "known for 1 of 2 cells" in describe_duration(plan(experiment, tmp_path))


def test_a_run_on_another_machine_says_nothing(experiment, tmp_path):
    for run in plan(experiment, tmp_path)[::3]:
        finish(run, 60, processor="another")
    assert describe_duration(plan(experiment, tmp_path)).startswith("duration unknown:")


def test_with_every_run_finished_there_is_nothing_to_do(experiment, tmp_path):
    for run in plan(experiment, tmp_path):
        finish(run, 60)
    assert describe_duration(plan(experiment, tmp_path)) == "nothing to do"
