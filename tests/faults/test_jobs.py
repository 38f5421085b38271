"""Many runs at a time: workers that die, and what one failure means for the other runs."""

import contextlib
import os
import signal

import pytest
from forks import wait_until
from processes import read_status
from run_results import read_results
from sweeps import Listener, plan, train

from bnexp.launch.screen.events import RunEnded, RunProgressed
from bnexp.runs import read_run


def train_in_pool(runs, jobs=2, react=lambda event: None, is_failing_fast=False):
    listener = Listener(react)
    return train(runs, listener, jobs, is_failing_fast), listener


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """Four runs: the worker of the second is killed once, that of the first each time."""
    folder = tmp_path_factory.mktemp("disturbed")
    runs, killed = plan(folder, "sweep.seeds=4"), []

    def kill(event):
        if isinstance(event, RunProgressed) and (event.index == 0 or event.index not in killed):
            if event.index > 1:
                return
            killed.append(event.index)
            with contextlib.suppress(ProcessLookupError):
                os.kill(read_status(runs[event.index])["pid"], signal.SIGKILL)

    ended, listener = train_in_pool(runs, react=kill)
    return ended, listener, runs


def test_row_14_a_run_whose_worker_is_killed_is_tried_again_and_ends_with_the_same_bits(
    disturbed, tmp_path
):
    ended, listener, runs = disturbed
    whole = plan(tmp_path, "sweep.seeds=4")
    train(whole)

    assert ended == {"failed": 1, "finished": 3}
    said = "base seed=1: its process was killed by signal 9, perhaps out of memory; trying it once"
    assert sum(line.startswith(said) for line in listener.lines) == 1
    for one, other in zip(runs[1:], whole[1:], strict=True):
        assert read_results(one.folder.path) == read_results(other.folder.path)


def test_a_run_whose_worker_dies_twice_is_failed_with_the_reason_and_its_log(disturbed):
    _, listener, runs = disturbed
    said = "its process was killed by signal 9, perhaps out of memory, 2 times"
    assert listener.ends[0] == "failed"
    assert read_status(runs[0])["reason"] == said
    assert read_status(runs[0])["cell"] == "base"
    assert said in runs[0].folder.log.read_text()
    failed = [line for line in listener.lines if line.startswith("failed: base seed=0")]
    assert len(failed) == 1
    assert str(runs[0].folder.log) in failed[0]


def break_folder(run):
    """Puts a file where the run's folder is to be, so that it fails."""
    run.folder.path.parent.mkdir(parents=True, exist_ok=True)
    run.folder.path.touch()


def test_with_fail_fast_one_job_begins_no_run_after_a_failure(tmp_path):
    runs = plan(tmp_path, "sweep.seeds=3")
    break_folder(runs[1])

    ended = train(runs, is_failing_fast=True)

    assert ended == {"finished": 1, "failed": 1}
    assert not runs[2].folder.path.exists()


def test_with_fail_fast_a_failure_saves_the_runs_in_progress_and_begins_no_other(tmp_path):
    runs = plan(tmp_path, "sweep.grid={train.epochs: [2000, 1, 2, 3]}")
    break_folder(runs[2])

    def wait_for_the_first(event):
        if isinstance(event, RunEnded) and event.index == 1:
            wait_until(runs[0].folder.checkpoints.find)

    ended, _ = train_in_pool(runs, react=wait_for_the_first, is_failing_fast=True)

    assert ended == {"finished": 1, "failed": 1, "interrupted": 1}
    assert read_run(runs[0].folder.path).state == "interrupted"
    assert not runs[3].folder.path.exists()


BROKEN_NORM = '''
from typing import Literal
from bnexp.norms import NormConfig

class BrokenConfig(NormConfig):
    """Fails in the forward pass.

    Formula: none.

    Training: raises an error.

    Evaluation: as in training.

    Shapes: any, kept.

    Parameters: none.

    Variance: none.

    Source: none.
    """
    name: Literal["broken"] = "broken"

    def build(self, num_features, dimensions=2):
        import torch
        class Broken(torch.nn.Module):
            def forward(self, inputs):
                raise RuntimeError("the norm is broken")
        return Broken()
'''


def test_a_run_that_fails_is_told_logged_and_does_not_stop_the_others(started_bnexp, tmp_path):
    (tmp_path / "broken_norm.py").write_text(BROKEN_NORM)
    info = tmp_path / "broken_norm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-norm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bnexp.norms]\nbroken = broken_norm:BrokenConfig\n")
    plan(tmp_path)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    grid = "sweep.grid={model.norm.name: [broken, none, batch]}"

    done = started_bnexp("train", "c.yaml", "-s", grid, cwd=tmp_path, PYTHONPATH=paths)

    assert done.returncode == 1
    log = tmp_path / "runs/many/norm=broken/seed=0/log.txt"
    assert "failed: norm=broken seed=0: RuntimeError: the norm is broken" in done.stderr
    assert str(log.relative_to(tmp_path)) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()
    assert "1 failed, 2 finished" in done.stderr
    assert "1 failed" in started_bnexp("compare", cwd=tmp_path).stdout
