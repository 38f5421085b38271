"""Many runs at a time: workers that die, signals, failures, one run wanted by several."""

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from run_results import read_results
from sweeps import Listener, plan, read_runs

from bnexp.config.load import load_experiment
from bnexp.launch import in_process, pool
from bnexp.launch.events import RunEnded, RunProgressed
from bnexp.launch.options import LaunchOptions
from bnexp.launch.stop import StopSignal
from bnexp.launch.sweep import train_sweep
from bnexp.runs import RunDir, read_run

LONG = ("train.epochs=2000", "train.checkpoint_every=20")
"""Hours of training: it ends by what the test does."""


def train_in_pool(runs, jobs=2, react=lambda event: None, is_failing_fast=False):
    listener, stop = Listener(react), StopSignal()
    ended = pool.run_all(runs, listener, stop, jobs, is_failing_fast)
    return dict(ended), listener


def read_status(run):
    return json.loads(run.folder.status.read_text())


def is_alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(is_true, seconds=120):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(cwd, *arguments):
    """Starts `bnexp train` as a terminal would: in a process group of its own."""
    # Under nohup this process ignores SIGHUP, and what it starts would, too.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "bnexp", "train", "c.yaml", *arguments],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def find_workers(process, runs):
    """Returns the processes of a command that train the runs, once all of them do."""

    def are_all_trained():
        assert process.poll() is None, process.communicate()
        return all(run.folder.checkpoints.find() for run in runs)

    wait_until(are_all_trained)
    return [read_status(run)["pid"] for run in runs]


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
    in_process.run_all(whole, Listener(), StopSignal())

    assert ended == {"failed": 1, "finished": 3}
    said = "base seed=1: its process was killed by signal 9, perhaps out of memory; it is tried"
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

    ended = in_process.run_all(runs, Listener(), StopSignal(), is_failing_fast=True)

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


def test_row_09_of_three_workers_with_the_same_run_one_trains_it(tmp_path):
    (run,) = plan(tmp_path, "train.epochs=40", "train.checkpoint_every=40")

    ended, listener = train_in_pool([run, run, run], jobs=3)

    assert ended == {"finished": 3}
    waiting = [line for line in listener.lines if "is at it" in line]
    assert all(line.startswith("process ") for line in waiting)
    found = [line for line in listener.lines if line.startswith("another process has finished")]
    assert len(found) == 2
    steps = [json.loads(row)["step"] for row in run.folder.metrics.read_text().splitlines()]
    assert steps == sorted(steps)


def test_row_08_a_run_out_of_memory_says_what_to_change_and_the_sweep_goes_on(tmp_path):
    # 10^12 channels of 27 weights are more than a process can address.
    layers = "[[{conv: 1000000000000}], [{conv: 4}]]"
    runs = plan(tmp_path, f"sweep.grid={{model.layers: {layers}}}")
    listener = Listener()

    ended = in_process.run_all(runs, listener, StopSignal())

    assert ended == {"failed": 1, "finished": 1}
    assert read_status(runs[0])["reason"].startswith("out of memory; try a smaller data.batch_size")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_row_03_a_signal_to_the_whole_terminal_saves_every_run(number, code, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=3", *LONG)
    settings = [word for setting in ("sweep.seeds=3", *LONG) for word in ("-s", setting)]
    process = start(tmp_path, "--jobs", "2", *settings)
    workers = find_workers(process, runs[:2])

    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=120)

    assert process.returncode == code
    assert said.count("saving; once more leaves at once") == 1
    assert "2 interrupted" in said
    assert "the same command goes on with the runs that are left" in said
    assert "Traceback" not in said
    assert [read_run(run.folder.path).state for run in runs[:2]] == ["interrupted"] * 2
    assert not any(run.folder.lock.exists() for run in runs)
    assert not runs[2].folder.path.exists()
    assert not any(map(is_alive, workers))


def test_row_03_a_signal_when_the_last_run_is_done_leaves_nothing_to_go_on_with(
    tmp_path, monkeypatch
):
    runs, said = plan(tmp_path), io.StringIO()
    write_summary = RunDir.write_summary

    def write_it_and_be_told_to_stop(folder, summary):
        write_summary(folder, summary)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunDir, "write_summary", write_it_and_be_told_to_stop)
    experiment = load_experiment(tmp_path / "c.yaml", ())
    console = Console(file=said, width=200)
    code = train_sweep(experiment, runs, tmp_path / "runs", LaunchOptions(), console)

    assert code == 0
    assert "1 finished" in said.getvalue()
    assert "goes on" not in said.getvalue()


def test_row_03_under_nohup_a_closed_terminal_stops_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_row_03_a_second_signal_leaves_nobody_behind(tmp_path):
    runs = plan(tmp_path, "sweep.seeds=2", *LONG)
    settings = [word for setting in ("sweep.seeds=2", *LONG) for word in ("-s", setting)]
    process = start(tmp_path, "--jobs", "2", *settings)
    workers = find_workers(process, runs)
    for worker in workers:  # they cannot save, as in a step that never ends
        os.kill(worker, signal.SIGSTOP)

    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    wait_until(lambda: not any(map(is_alive, workers)))


def test_workers_whose_parent_is_killed_save_their_runs_and_leave(tmp_path):
    runs = plan(tmp_path, "sweep.seeds=2", *LONG)
    settings = [word for setting in ("sweep.seeds=2", *LONG) for word in ("-s", setting)]
    process = start(tmp_path, "--jobs", "2", *settings)
    workers = find_workers(process, runs)

    process.kill()
    process.communicate(timeout=30)

    wait_until(lambda: not any(map(is_alive, workers)))
    assert [read_run(run.folder.path).state for run in runs] == ["interrupted"] * 2
    assert not any(run.folder.lock.exists() for run in runs)


def kill_a_sweep_at_random(folder, seeds, kills, chance):
    """Kills the command and all its workers, so many times, then lets it end."""
    plan(folder)
    arguments = ("--jobs", "2", "-s", f"sweep.seeds={seeds}")
    for number in range(kills):
        process = start(folder, *arguments)
        runs = plan(folder, f"sweep.seeds={seeds}")
        # Some way into the share of the runs that is this kill's.
        runs_done = 1 + number * seeds // (kills + 1)
        wait_until(lambda: sum(r.folder.is_begun for r in runs) >= runs_done)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    process = start(folder, *arguments)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said


def check_a_killed_sweep(tmp_path, seeds, kills):
    whole = plan(tmp_path / "whole", f"sweep.seeds={seeds}")
    in_process.run_all(whole, Listener(), StopSignal())

    kill_a_sweep_at_random(tmp_path / "killed", seeds, kills, random.Random(3))

    found = read_runs(tmp_path / "killed/runs")
    assert len(found) == seeds
    assert found == read_runs(tmp_path / "whole/runs")


def test_row_14_a_sweep_killed_with_all_its_workers_ends_with_the_same_bits(tmp_path):
    check_a_killed_sweep(tmp_path, seeds=6, kills=1)


@pytest.mark.slow
def test_row_14_forty_runs_killed_five_times_end_with_the_same_bits(tmp_path):
    check_a_killed_sweep(tmp_path, seeds=40, kills=5)
