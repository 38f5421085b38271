"""Many runs at a time: workers that die, and what one failure means for the other runs."""

import contextlib
import os
import signal
from pathlib import Path

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


BROKEN_NORM = """
from bnexp.norms.rms.layer import RmsNorm

def fail(*_):
    raise RuntimeError("the norm is broken")

RmsNorm.forward = fail
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_fails_is_told_logged_and_does_not_stop_the_others(jobs, forks, tmp_path):
    plan(tmp_path)
    grid = "sweep.grid={model.norm.name: [rms, none, batch]}"
    words = ("train", "c.yaml", "--jobs", jobs, "-s", grid)

    done = forks.run(*words, cwd=tmp_path, before=BROKEN_NORM)

    assert done.code == 1
    log = tmp_path / "runs/many/norm=rms/seed=0/log.txt"
    assert "failed: norm=rms seed=0: RuntimeError: the norm is broken" in done.said
    assert str(log.relative_to(tmp_path)) in done.said
    assert "Traceback" not in done.said
    assert "Traceback" in log.read_text()
    assert "1 failed, 2 finished" in done.said or "2 finished, 1 failed" in done.said
    assert "1 failed" in forks.complete("compare", cwd=tmp_path).stdout


def test_a_worker_holds_no_pipe_and_no_lock_of_another(tmp_path):
    runs = plan(tmp_path, "sweep.seeds=2", "train.epochs=5", "train.checkpoint_every=null")
    held = {}

    def look(event):
        if isinstance(event, RunProgressed) and len(held) < 2:
            process = read_status(runs[event.index])["pid"]
            with contextlib.suppress(OSError):
                files = Path(f"/proc/{process}/fd").iterdir()
                held[event.index] = {str(path.readlink()) for path in files}

    assert train_in_pool(runs, react=look)[0] == {"finished": 2}
    first, second = held[0], held[1]
    own = [Path(name).parent for name in first ^ second if name.startswith(str(tmp_path))]
    assert {*own} <= {run.folder.path for run in runs}
    sockets = [{name for name in files if name.startswith("socket:")} for files in (first, second)]
    assert len(sockets[0] - sockets[1]) == len(sockets[1] - sockets[0]) == 1
    assert not {str(run.folder.lock) for run in runs} & first & second
