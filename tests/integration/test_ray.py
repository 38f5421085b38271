"""Runs as tasks of Ray: of one that stands in for it, and, if it is there, of the real one."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from stand_in_ray import StandInRay
from sweeps import Listener, plan, read_runs, train

from bnexp.errors import UsageError
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.ray import RayLauncher
from bnexp.launch.stop import StopSignal
from bnexp.runs import read_run

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'bnexp[ray]'"
)


def start(cwd, *arguments):
    ray = ("--launcher", "ray", "--address", "local")
    return subprocess.Popen(
        [sys.executable, "-m", "bnexp", "train", "c.yaml", *ray, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_process(run, process):
    """Returns the process that trains a run, once it has begun to."""
    deadline = time.monotonic() + 120
    while not run.folder.checkpoints.find():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return json.loads(run.folder.status.read_text())["pid"]


def test_without_ray_the_launcher_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(UsageError, match=r"pip install 'bnexp\[ray\]'"):
        RayLauncher()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({}, []),
        (
            {"dying": [1]},
            ["base seed=1: its Ray worker died (WorkerCrashedError); trying it once more"],
        ),
        (
            {"failing": [0]},
            ["base seed=0: its Ray task failed: KeyError: 'x'; trying it once more"],
        ),
    ],
    ids=["sound", "died", "failed"],
)
def test_a_sweep_ends_with_the_bits_of_one_without_ray(tmp_path, monkeypatch, trouble, said):
    whole = plan(tmp_path / "whole", "sweep.seeds=2")
    train(whole)
    ray = StandInRay(**trouble)
    monkeypatch.setitem(sys.modules, "ray", ray)

    listener = Listener()
    ledger = Ledger(plan(tmp_path / "ray", "sweep.seeds=2"), listener.show, lambda: False)
    with closing(RayLauncher()) as launcher:
        ledger.runs = launcher.place(ledger.runs, 0)
        launcher.train(ledger, StopSignal())

    assert ledger.ended == {"finished": 2}
    assert listener.lines == said
    assert ray.is_down
    assert read_runs(tmp_path / "ray/runs") == read_runs(tmp_path / "whole/runs")


def test_a_run_whose_worker_dies_twice_has_failed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", StandInRay(dying=[0, 1]))

    listener = Listener()
    ledger = Ledger(plan(tmp_path, "sweep.seeds=2"), listener.show, lambda: False)
    RayLauncher(jobs=1).train(ledger, StopSignal())

    assert ledger.ended == {"failed": 1, "finished": 1}
    assert "2 times" in listener.lines[-1]


@pytest.mark.slow
@needs_ray
def test_a_sweep_whose_ray_worker_is_killed_ends_with_the_bits_of_one_in_this_process(tmp_path):
    settings = ("sweep.seeds=2", "train.epochs=4")
    whole = plan(tmp_path / "whole", *settings)
    train(whole)
    runs = plan(tmp_path / "ray", *settings)

    process = start(
        tmp_path / "ray", "--jobs", "2", *(w for s in settings for w in ("-s", s))
    )  # fmt: skip
    with contextlib.suppress(ProcessLookupError):
        os.kill(wait_for_process(runs[1], process), signal.SIGKILL)
    _, said = process.communicate(timeout=180)

    assert process.returncode == 0, said
    assert "base seed=1: its Ray worker died" in said
    assert "many: 2 finished" in said
    assert read_runs(tmp_path / "ray/runs") == read_runs(tmp_path / "whole/runs")


@pytest.mark.slow
@needs_ray
def test_ctrl_c_saves_the_runs_that_ray_trains_and_cancels_the_others(tmp_path):
    settings = ("sweep.seeds=6", "train.epochs=2000", "train.checkpoint_every=20")
    runs = plan(tmp_path, *settings)
    process = start(tmp_path, *(w for s in settings for w in ("-s", s)))
    wait_for_process(runs[0], process)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 130, said
    assert "the same command continues with the remaining runs" in said
    begun = [run for run in runs if run.folder.path.exists()]
    assert len(begun) < 6
    assert {read_run(run.folder.path).state for run in begun} == {"interrupted"}
