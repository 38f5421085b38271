"""A run's lock when its holder sleeps: a stopped process, a suspended machine."""

import os
import signal
import subprocess
import sys
import time

import pytest
from run_results import read_results
from sweeps import Listener, plan

from bnexp.errors import UsageError
from bnexp.exclusive_folder import hold_folder, is_held
from bnexp.launch import in_process
from bnexp.launch.stop import StopSignal
from bnexp.runs.removal import plan_removal

LENGTH = ("train.epochs=25", "train.checkpoint_every=20")

COMMAND = """
import sys
from bnexp import exclusive_folder
exclusive_folder.BEAT_SECONDS, exclusive_folder.STALE_SECONDS = 0.2, 2.0
sys.argv = ["bnexp", "train", "c.yaml", *sys.argv[1:]]
from bnexp.cli.app import main
main()
"""


def start(cwd):
    """Starts `bnexp train` with a lock that is taken over after two seconds."""
    settings = [word for setting in LENGTH for word in ("-s", setting)]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *settings],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(is_true, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holder_of(run):
    try:
        return int((run.folder.lock / ".holder").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def test_row_16_one_who_slept_until_another_took_its_run_over_writes_nothing_more(tmp_path):
    (run,) = plan(tmp_path, *LENGTH)
    sleeper = start(tmp_path)
    wait_until(run.folder.checkpoints.find)
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(3)
    heir = start(tmp_path)
    # Both may end before this test looks, were the heir not stopped in the middle as well.
    wait_until(lambda: holder_of(run) == heir.pid)
    wait_until(lambda: "epoch " in run.folder.log.read_text().partition("goes on after step")[2])
    os.kill(heir.pid, signal.SIGSTOP)
    left = {path: path.read_bytes() for path in run.folder.path.rglob("*") if path.is_file()}

    os.kill(sleeper.pid, signal.SIGCONT)
    _, said = sleeper.communicate(timeout=60)

    assert f"process {heir.pid} on " in said
    assert "has taken this run over" in said
    assert "Traceback" not in said
    assert {p: p.read_bytes() for p in run.folder.path.rglob("*") if p.is_file()} == left
    os.kill(heir.pid, signal.SIGCONT)
    _, said = heir.communicate(timeout=120)
    assert heir.returncode == 0, said
    (whole,) = plan(tmp_path / "whole", *LENGTH)
    in_process.run_all([whole], Listener(), StopSignal())
    assert read_results(run.folder.path) == read_results(whole.folder.path)


def test_row_16_one_who_slept_and_whom_nobody_replaced_goes_on(tmp_path):
    (run,) = plan(tmp_path, *LENGTH)
    sleeper = start(tmp_path)
    wait_until(run.folder.checkpoints.find)
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(3)

    os.kill(sleeper.pid, signal.SIGCONT)
    _, said = sleeper.communicate(timeout=120)

    assert sleeper.returncode == 0, said
    assert "1 finished" in said
    assert not run.folder.lock.exists()


@pytest.mark.parametrize("seconds", [-120, 120])
def test_row_16_a_live_run_is_not_removed_where_the_file_servers_clock_is_off(
    seconds, tmp_path, monkeypatch
):
    (run,) = plan(tmp_path)
    in_process.run_all([run], Listener(), StopSignal())
    here = time.time

    with hold_folder(run.folder.lock, pytest.fail):
        monkeypatch.setattr(time, "time", lambda: here() + seconds)
        with pytest.raises(UsageError, match="is being trained by another process"):
            plan_removal([str(run.folder.path)], tmp_path / "runs")

    assert run.folder.summary.exists()


def test_row_16_a_holder_on_another_machine_that_died_long_ago_is_none(tmp_path):
    lock = tmp_path / "lock"
    lock.mkdir()
    (lock / ".holder").write_text("77 elsewhere")
    long_ago = time.time() - 120
    os.utime(lock, (long_ago, long_ago))

    assert not is_held(lock)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
