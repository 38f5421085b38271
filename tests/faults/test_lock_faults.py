"""Row 16 of the fault matrix: a run's lock when its holder is stopped, gone, or its file is."""

import shutil
import signal
import subprocess
import sys

import pytest
from forks import wait_until
from sweeps import plan

from bnexp.locks import is_held
from bnexp.runs import read_run

LENGTH = ("train.epochs=25", "train.checkpoint_every=20")
COMMAND = ("train", "c.yaml", *(word for setting in LENGTH for word in ("-s", setting)))


def stop_in_the_middle(forks, run, folder):
    """Starts the command and stops its process once it has saved a checkpoint."""
    process = forks.start(*COMMAND, cwd=folder)
    wait_until(run.folder.checkpoints.find)
    process.send_signal(signal.SIGSTOP)
    return process


def is_refused(done, holder):
    return done.code == 2 and f"is being trained by process {holder.pid} on " in done.said


def test_row_16_a_lock_file_that_a_kill_left_without_a_name_refuses_nobody(forks, tmp_path):
    (run,) = plan(tmp_path)
    run.folder.path.mkdir(parents=True)
    run.folder.lock.touch()

    done = forks.run("train", "c.yaml", cwd=tmp_path, kill_after=60)

    assert done.code == 0, done.said


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_row_16_a_process_whose_clock_jumps_takes_no_run_from_a_living_one(
    seconds, forks, tmp_path
):
    (run,) = plan(tmp_path, "train.epochs=400")
    command = ("train", "c.yaml", "-s", "train.epochs=400")
    jump = f"import time; here = time.time; time.time = lambda: here() + {seconds}"
    holder = forks.start(*command, cwd=tmp_path)
    wait_until(run.folder.checkpoints.find)

    other = forks.run(*command, cwd=tmp_path, before=jump)

    assert is_refused(other, holder), other.said
    holder.send_signal(signal.SIGTERM)
    assert holder.wait() == 143
    assert read_run(run.folder.path).state == "interrupted"


def test_row_16_a_holder_in_another_pid_namespace_keeps_its_run(forks, tmp_path):
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*unshare, "true"], capture_output=True).returncode
    ):
        pytest.skip("no PID namespace can be made here: needs unshare, and rights that root has")
    (run,) = plan(tmp_path, *LENGTH)
    sleeper = stop_in_the_middle(forks, run, tmp_path)

    command = [*unshare, sys.executable, "-m", "bnexp", *COMMAND]
    other = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert other.returncode == 2
    assert f"is being trained by process {sleeper.pid} on " in other.stderr
    sleeper.send_signal(signal.SIGCONT)
    assert sleeper.wait() == 0, sleeper.said


def test_row_16_a_link_in_a_locks_place_fails_the_run_with_one_line(forks, tmp_path):
    (run,) = plan(tmp_path)
    run.folder.path.mkdir(parents=True)
    run.folder.lock.symlink_to("nowhere")

    done = forks.run("train", "c.yaml", cwd=tmp_path, kill_after=60)

    assert done.code == 1
    assert done.said.count("is a link or a folder, but must be a plain file; remove it") == 1
    assert "Traceback" not in done.said


@pytest.mark.parametrize("what", ["lock", "folder"])
def test_row_16_one_whose_lock_was_removed_by_hand_says_so_and_stops(what, forks, tmp_path):
    settings = ("train.epochs=400", "train.checkpoint_every=20", "train.log_every=2")
    (run,) = plan(tmp_path, *settings)
    words = [word for setting in settings for word in ("-s", setting)]
    holder = forks.start("train", "c.yaml", *words, cwd=tmp_path)
    wait_until(run.folder.checkpoints.find)

    folder = run.folder.lock if what == "lock" else run.folder.path
    folder.rename(tmp_path / "removed")  # at once, as a removal is not
    holder.wait()

    assert f"was removed or replaced while process {holder.pid} held it" in holder.said
    assert "Traceback" not in holder.said
    assert not is_held(run.folder.lock)
