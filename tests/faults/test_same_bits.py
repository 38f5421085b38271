"""Row 14 of the fault matrix: the same command gives the same bits, whatever comes between."""

import json
import os
import random
import signal
import time

import pytest
from forks import wait_until
from run_results import read_points
from sweeps import plan, read_runs, train

from bnexp.locks import is_held

SWEEP = ("train", "c.yaml", "-s", "sweep.seeds=2", "-s", "train.epochs=2")


@pytest.fixture(scope="module")
def whole(forks, tmp_path_factory):
    """What the command leaves in a fresh folder."""
    folder = tmp_path_factory.mktemp("whole")
    plan(folder)
    done = forks.run(*SWEEP, cwd=folder)
    assert done.code == 0, done.said
    found = read_runs(folder / "runs")
    assert sorted(found) == ["many/base/seed=0", "many/base/seed=1"]
    assert found["many/base/seed=0"]["model"] != found["many/base/seed=1"]["model"]
    return found, read_points(folder / "runs/many/base/seed=0")


@pytest.mark.parametrize("jobs", [1, 2])
def test_row_14_the_same_command_in_another_fresh_folder_gives_the_same_bits(
    jobs, forks, tmp_path, whole
):
    plan(tmp_path)

    done = forks.run(*SWEEP, "--jobs", jobs, "--runs-dir", "others", cwd=tmp_path)

    assert done.code == 0, done.said
    assert read_runs(tmp_path / "others") == whole[0]
    assert read_points(tmp_path / "others/many/base/seed=0") == whole[1]


def test_a_profiled_sweep_has_the_same_bits_and_a_trace_of_its_first_run_alone(
    forks, tmp_path, whole
):
    plan(tmp_path)

    done = forks.run(*SWEEP, "--profile", cwd=tmp_path)

    assert done.code == 0, done.said
    assert "--profile measures the first run, base seed=0\n" in done.said
    assert "profile of base seed=0: " in done.said
    assert "profiler_start" not in done.said  # as PyTorch's library says
    assert read_runs(tmp_path / "runs") == whole[0]
    assert read_points(tmp_path / "runs/many/base/seed=0") == whole[1]
    traces = [path.parent.name for path in tmp_path.glob("runs/**/profile.pt.trace.json.gz")]
    assert traces == ["seed=0"]
    assert forks.run("check", cwd=tmp_path).code == 0
    assert "nothing to measure" in forks.run(*SWEEP, "--profile", cwd=tmp_path).said


STOP_IN_SECOND_EPOCH = """
import os, signal
from bnexp.launch.engines import launcher
from bnexp.training import learner
launcher.measure_pace = lambda run: None  # its steps are no run's
steps = []
train_step = learner.train_step

def train_and_be_stopped(*arguments):
    steps.append(1)
    if len(steps) == 13:
        os.kill(os.getpid(), signal.SIGTERM)
    return train_step(*arguments)

learner.train_step = train_and_be_stopped
"""


def test_row_14_the_same_command_stopped_once_in_each_run_gives_the_same_bits(
    forks, tmp_path, whole
):
    plan(tmp_path)

    codes = [
        forks.run(*SWEEP, cwd=tmp_path, before=before).code
        for before in (STOP_IN_SECOND_EPOCH, STOP_IN_SECOND_EPOCH, "")
    ]

    assert codes == [143, 143, 0]
    runs = [tmp_path / f"runs/many/base/seed={seed}" for seed in range(2)]
    environments = [json.loads((run / "environment.json").read_text()) for run in runs]
    assert [e["resumes"][0]["step"] for e in environments] == [13, 6]
    assert read_runs(tmp_path / "runs") == whole[0]
    assert read_points(runs[0]) == whole[1]


LENGTH = "train.epochs=4"


def is_saved(run):
    return bool(run.folder.checkpoints.find())


def is_refused(process):
    return "error:" in process.said


def kill_a_sweep_at_random(forks, folder, seeds, kills, chance):
    """Kills the command and all its workers, so many times, then lets it end."""
    settings = (f"sweep.seeds={seeds}", LENGTH)
    runs = plan(folder, *settings)
    words = [word for setting in settings for word in ("-s", setting)]
    command = ("train", "c.yaml", "--jobs", "2", *words)
    for number in range(kills):
        process = forks.start(*command, cwd=folder)
        # Some way into the share of the runs that is this kill's.
        runs_done = 1 + number * seeds // (kills + 1)
        wait_until(lambda: is_refused(process) or sum(map(is_saved, runs)) >= runs_done)  # noqa: B023
        assert not is_refused(process), process.said
        time.sleep(chance.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        # A worker in the middle of a write to the disk takes a moment to die.
        wait_until(lambda: not any(is_held(run.folder.lock) for run in runs))
    process = forks.start(*command, cwd=folder)
    assert process.wait(seconds=600) == 0, process.said


def check_a_killed_sweep(forks, tmp_path, seeds, kills):
    whole = plan(tmp_path / "whole", f"sweep.seeds={seeds}", LENGTH)
    train(whole)

    kill_a_sweep_at_random(forks, tmp_path / "killed", seeds, kills, random.Random(3))

    found = read_runs(tmp_path / "killed/runs")
    assert len(found) == seeds
    logs = (tmp_path / "killed/runs").rglob("log.txt")
    assert sum("continues after step" in log.read_text() for log in logs) > 0
    assert found == read_runs(tmp_path / "whole/runs")


def test_row_14_a_sweep_killed_with_all_its_workers_ends_with_the_same_bits(forks, tmp_path):
    check_a_killed_sweep(forks, tmp_path, seeds=2, kills=1)


@pytest.mark.slow
def test_row_14_forty_runs_killed_five_times_end_with_the_same_bits(forks, tmp_path):
    check_a_killed_sweep(forks, tmp_path, seeds=40, kills=5)
