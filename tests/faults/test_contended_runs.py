"""Row 9 of the fault matrix: several processes want the same run."""

import json
import re
import socket

import pytest
from forks import wait_until
from sweeps import Listener, plan, read_runs, train

from bnexp.launch.run.one_run import mark_lost
from bnexp.locks import hold_lock
from bnexp.runs.reading import read_status

WAIT_BEFORE_THE_END = """
import time
from pathlib import Path
from bnexp.runs import RunDir
write_summary = RunDir.write_summary

def write_when_all_have_come(folder, *written):
    while not Path("all-have-come").exists():
        time.sleep(0.01)
    write_summary(folder, *written)

RunDir.write_summary = write_when_all_have_come
"""
NAMES_HOLDER = re.compile(r"process (\d+) on ([^\s,]+)(?: right now; wait for it|, which holds)")


def check_one_trains(forks, folder, count):
    """Starts the command in so many processes at once; the one that trains waits for the rest."""
    (run,) = plan(folder)
    processes = [
        forks.start("train", "c.yaml", cwd=folder, before=WAIT_BEFORE_THE_END) for _ in range(count)
    ]

    def find_losers():
        return [process for process in processes if NAMES_HOLDER.search(process.said)]

    wait_until(lambda: len(find_losers()) == count - 1)
    losers = find_losers()
    (winner,) = [process for process in processes if process not in losers]
    (folder / "all-have-come").touch()
    codes = {process.pid: process.wait() for process in processes}

    assert codes[winner.pid] == 0
    for loser in losers:
        assert NAMES_HOLDER.findall(loser.said) == [(str(winner.pid), socket.gethostname())]
        # One that came before the run was begun waits; one that came after it is refused.
        is_refused = "is being trained by process" in loser.said
        assert codes[loser.pid] == (2 if is_refused else 0)
        assert is_refused or "another process has finished it: " in loser.said
        assert "epoch " not in loser.said
    log = run.folder.log.read_text()
    assert log.count("epoch 1/1") == 1
    assert "starting over" not in log
    assert "goes on" not in log
    assert len(list(run.folder.path.glob("events.out.tfevents.*"))) == 1
    (whole,) = plan(folder / "whole")
    train([whole])
    assert read_runs(folder / "runs") == read_runs(folder / "whole/runs")


def test_row_09_of_three_processes_with_the_same_command_one_trains_and_is_named(forks, tmp_path):
    check_one_trains(forks, tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(2, 9))
def test_row_09_of_two_to_eight_processes_one_trains_and_is_named(count, forks, tmp_path):
    check_one_trains(forks, tmp_path, count)


def test_row_09_of_two_workers_with_the_same_run_one_trains_it(tmp_path):
    (run,) = plan(tmp_path, "train.epochs=40", "train.checkpoint_every=40")
    listener = Listener()

    ended = train([run, run], listener, jobs=2)

    assert ended == {"finished": 2}
    found = [line for line in listener.lines if line.startswith("another process has finished")]
    assert len(found) == 1
    steps = [json.loads(row)["step"] for row in run.folder.metrics.read_text().splitlines()]
    assert steps == sorted(steps)


def read_files(run):
    return {path: path.read_bytes() for path in run.folder.path.iterdir() if path.is_file()}


def test_a_config_whose_folder_became_anothers_writes_nothing_there(tmp_path):
    (loser,) = plan(tmp_path, "optim.learning_rate=0.01")
    (winner,) = plan(tmp_path)
    train([winner])
    before = read_files(winner)

    listener = Listener()
    train([loser], listener)

    assert read_files(winner) == before
    assert listener.ends == {0: "failed"}
    assert "with another config: optim.learning_rate is 0.05 there and 0.01 here" in str(
        listener.lines
    )


def test_a_run_whose_process_died_writes_nothing_where_another_config_has_been_trained(tmp_path):
    (loser,) = plan(tmp_path, "optim.learning_rate=0.01")
    (winner,) = plan(tmp_path)
    train([winner])
    before = read_files(winner)

    said = [mark_lost(run, "its process died") for run in (loser, winner)]

    assert said == ["failed: base seed=0: its process died"] * 2
    assert read_files(winner) == before


def test_a_run_whose_process_died_writes_nothing_while_another_process_holds_it(tmp_path):
    (run,) = plan(tmp_path)
    run.folder.path.mkdir(parents=True)

    with hold_lock(run.folder.lock, print):
        before = read_files(run)
        mark_lost(run, "its process died")

        assert read_files(run) == before
    mark_lost(run, "its process died")
    assert read_status(run.folder.path)["reason"] == "its process died"
