"""Row 3 of the fault matrix: Ctrl-C, SIGTERM and a closed terminal, once and twice."""

import io
import json
import os
import signal

import pytest
from forks import wait_until
from processes import LONG, find_group, find_workers, is_alive, start_sweep
from rich.console import Console
from sweeps import plan

from bnexp.launch.options import LaunchOptions
from bnexp.launch.stages.stages import Stage
from bnexp.launch.stages.sweep import SweepTrainer
from bnexp.launch.stop import StopSignal
from bnexp.locks import is_held
from bnexp.runs import RunDir, read_run

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
COMMAND = ("train", "c.yaml", "-s", "train.epochs=400")


def read_saved_step(run):
    files = run.folder.checkpoints
    return json.loads(files.read_metadata(files.newest))["progress"]["step"]


def wait_for_metrics(run):
    wait_until(lambda: run.folder.metrics.exists() and run.folder.metrics.stat().st_size)


def read_files(run):
    """Returns what was saved, file by file."""
    paths = [path for path in run.folder.path.iterdir() if path.is_file()]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.parametrize(("number", "code"), CODES)
def test_row_03_a_signal_saves_the_run_and_the_same_command_goes_on(number, code, forks, tmp_path):
    (run,) = plan(tmp_path, "train.epochs=400", "train.log_every=2")
    command = (*COMMAND, "-s", "train.log_every=2")

    process = forks.start(*command, cwd=tmp_path)
    wait_for_metrics(run)
    process.send_signal(number)

    assert process.wait() == code
    assert "the same command continues with the remaining runs:" in process.said
    assert f"\n  bnexp {' '.join(command)}\n" in process.said
    assert read_run(run.folder.path).state == "interrupted"
    assert not run.folder.summary.exists()
    assert not is_held(run.folder.lock)
    step = read_saved_step(run)
    assert json.loads(run.folder.status.read_text())["step"] == step > 0
    assert f"interrupted after step {step}, saved: " in process.said
    again = forks.start(*command, cwd=tmp_path)
    wait_until(lambda: f"continues after step {step}: " in again.said)
    again.send_signal(number)
    assert again.wait() == code


ENDLESS_STEP = """
import torch
from bnexp.launch.engines import launcher
from bnexp.training import learner
launcher.measure_pace = lambda run: None  # its steps are no run's
steps = []
train_step = learner.train_step

def train_seven_steps(*arguments):
    steps.append(1)
    if len(steps) == 8:
        print("in step 8", flush=True)
        while True:
            torch.ones(1000).sum()
    return train_step(*arguments)

learner.train_step = train_seven_steps
"""


@pytest.mark.parametrize(("number", "code"), CODES)
def test_row_03_a_second_signal_leaves_in_the_middle_of_a_step_and_saves_nothing(
    number, code, forks, tmp_path
):
    (run,) = plan(tmp_path, "train.epochs=400")
    process = forks.start(*COMMAND, cwd=tmp_path, before=ENDLESS_STEP)
    wait_until(lambda: "in step 8" in process.said)
    before = read_files(run)

    process.send_signal(number)
    with pytest.raises(AssertionError, match="still there"):
        process.wait(seconds=1)
    process.send_signal(number)

    # The step ends never, and a second is what the row allows: the rest is for busy machines.
    assert process.wait(seconds=10) == code
    assert "exited at once; the same command continues from the last save\n" in process.said
    assert read_files(run) == before
    assert read_run(run.folder.path).state == "running"
    assert read_saved_step(run) == 7


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        (signal.SIGTERM, 143),
    ],
)
def test_row_03_a_signal_to_the_whole_terminal_saves_every_run(number, code, forks, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=3", *LONG)
    process = start_sweep(forks, tmp_path, 3)
    workers = find_workers(runs[:2])

    os.killpg(process.pid, number)

    assert process.wait() == code
    said = process.said
    assert said.count("saving; press Ctrl-C again to exit at once") == 1
    assert "2 interrupted" in said
    assert "the same command continues with the remaining runs" in said
    assert "Traceback" not in said
    assert [read_run(run.folder.path).state for run in runs[:2]] == ["interrupted"] * 2
    assert not any(is_held(run.folder.lock) for run in runs)
    assert not runs[2].folder.path.exists()
    assert not any(map(is_alive, workers))


def test_row_03_a_second_signal_leaves_nobody_behind(forks, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=2", *LONG)
    process = start_sweep(forks, tmp_path, 2)
    workers = find_workers(runs)
    for worker in workers:  # they cannot save, as in a step that never ends
        os.kill(worker, signal.SIGSTOP)
    before = list(map(read_files, runs))

    process.send_signal(signal.SIGINT)
    with pytest.raises(AssertionError, match="still there"):
        process.wait(seconds=0.5)
    process.send_signal(signal.SIGINT)

    assert process.wait(seconds=10) == 130
    wait_until(lambda: not any(map(is_alive, workers)))
    assert list(map(read_files, runs)) == before


def test_row_03_a_signal_when_the_last_run_is_done_leaves_nothing_to_go_on_with(
    tmp_path, monkeypatch
):
    runs, said = plan(tmp_path), io.StringIO()
    write_summary = RunDir.write_summary

    def write_it_and_be_told_to_stop(folder, *written):
        write_summary(folder, *written)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunDir, "write_summary", write_it_and_be_told_to_stop)
    with SweepTrainer(LaunchOptions(), Console(file=said, width=200)) as trainer:
        code = trainer.train(Stage("many", runs))

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


def test_workers_whose_parent_is_killed_save_their_runs_and_leave(forks, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=2", *LONG)
    process = start_sweep(forks, tmp_path, 2)
    workers = find_workers(runs)
    family = find_group(process.pid)
    assert {process.pid, *workers} < family

    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    wait_until(lambda: not any(map(is_alive, family)))
    assert [read_run(run.folder.path).state for run in runs] == ["interrupted"] * 2
    assert not any(is_held(run.folder.lock) for run in runs)
