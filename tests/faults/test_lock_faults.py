"""Row 16 of the fault matrix: a run's lock when its holder sleeps, is gone, or the clock jumps."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forks import wait_until
from run_results import read_results
from sweeps import Listener, plan

from bnexp import exclusive_folder
from bnexp.errors import UsageError
from bnexp.exclusive_folder import GivenUpError, hold_folder, is_abandoned, is_held
from bnexp.launch.engines import in_process
from bnexp.launch.stop import StopSignal
from bnexp.runs import read_run
from bnexp.runs.removal import plan_removal

LENGTH = ("train.epochs=25", "train.checkpoint_every=20")

BEAT_FAST = """
from bnexp import exclusive_folder
exclusive_folder.BEAT_SECONDS, exclusive_folder.STALE_SECONDS = 0.2, 2.0
"""
COMMAND = ("train", "c.yaml", *(word for setting in LENGTH for word in ("-s", setting)))


def holder_of(run):
    try:
        return int((run.folder.lock / ".holder").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def test_row_16_one_who_slept_until_another_took_its_run_over_writes_nothing_more(forks, tmp_path):
    (run,) = plan(tmp_path, *LENGTH)
    sleeper = forks.start(*COMMAND, cwd=tmp_path, before=BEAT_FAST)
    wait_until(run.folder.checkpoints.find)
    sleeper.send_signal(signal.SIGSTOP)
    time.sleep(3)
    heir = forks.start(*COMMAND, cwd=tmp_path, before=BEAT_FAST)
    # Both may end before this test looks, were the heir not stopped in the middle as well.
    wait_until(lambda: holder_of(run) == heir.pid)
    wait_until(lambda: "epoch " in run.folder.log.read_text().partition("goes on after step")[2])
    heir.send_signal(signal.SIGSTOP)
    left = {path: path.read_bytes() for path in run.folder.path.rglob("*") if path.is_file()}

    sleeper.send_signal(signal.SIGCONT)
    sleeper.wait()
    said = sleeper.said

    assert f"process {heir.pid} on " in said
    assert "has taken this run over" in said
    assert "Traceback" not in said
    assert {p: p.read_bytes() for p in run.folder.path.rglob("*") if p.is_file()} == left
    heir.send_signal(signal.SIGCONT)
    assert heir.wait() == 0, heir.said
    (whole,) = plan(tmp_path / "whole", *LENGTH)
    in_process.run_all([whole], Listener(), StopSignal())
    assert read_results(run.folder.path) == read_results(whole.folder.path)


def test_row_16_one_who_slept_and_whom_nobody_replaced_goes_on(forks, tmp_path):
    (run,) = plan(tmp_path, *LENGTH)
    sleeper = forks.start(*COMMAND, cwd=tmp_path, before=BEAT_FAST)
    wait_until(run.folder.checkpoints.find)
    sleeper.send_signal(signal.SIGSTOP)
    time.sleep(3)

    sleeper.send_signal(signal.SIGCONT)

    assert sleeper.wait() == 0, sleeper.said
    assert "1 finished" in sleeper.said
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
        with pytest.raises(UsageError, match=rf"is being trained by process {os.getpid()} on "):
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


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(exclusive_folder, "STALE_SECONDS", 1.0)
    monkeypatch.setattr(exclusive_folder, "_POLL_SECONDS", 0.01)


def find_own_place(folder):
    """Returns what a holder writes besides its number: machine, boot, PID namespace."""
    with hold_folder(folder / "example", pytest.fail) as hold:
        return (hold.folder / ".holder").read_text().split()[1:4]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PID namespaces")
def test_row_16_a_holder_records_its_boot_and_its_pid_namespace(tmp_path):
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").stat().st_ino

    assert find_own_place(tmp_path) == [socket.gethostname(), boot, f"pid:[{namespace}]"]


@pytest.mark.parametrize("other", [0, 1, 2], ids=["machine", "boot", "namespace"])
def test_row_16_a_number_that_is_no_process_here_is_nothing_known_of_a_holder_elsewhere(
    other, tmp_path
):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    place = find_own_place(tmp_path)
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/.holder").write_text(" ".join([str(done.pid), *place]))
    assert is_abandoned(tmp_path / "lock")

    place[other] = "another"
    (tmp_path / "lock/.holder").write_text(" ".join([str(done.pid), *place]))

    assert not is_abandoned(tmp_path / "lock")
    assert is_held(tmp_path / "lock")


WANT_LOCK = """
import sys, time
from pathlib import Path
from bnexp import exclusive_folder
exclusive_folder.STALE_SECONDS = 1.0
until = time.monotonic() + 3
try:
    with exclusive_folder.hold_folder(Path("lock"), print, lambda: time.monotonic() > until):
        print("took it")
except exclusive_folder.GivenUpError:
    print("gave up")
"""


def want_lock_in_other_namespace(folder):
    """Returns what one says who wants the lock for three seconds; a dead holder is so after one."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*unshare, "true"], capture_output=True).returncode
    ):
        pytest.skip("no PID namespace can be made here: needs unshare, and rights that root has")
    command = [*unshare, sys.executable, "-c", WANT_LOCK]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_row_16_a_living_holder_in_another_pid_namespace_keeps_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(exclusive_folder, "BEAT_SECONDS", 0.1)
    with hold_folder(tmp_path / "lock", pytest.fail) as hold:
        said = want_lock_in_other_namespace(tmp_path)
        hold.check()

    assert said.startswith(f"process {os.getpid()} on {socket.gethostname()} is at it")
    assert said.endswith("\ngave up\n")


def test_row_16_a_silent_holder_in_another_pid_namespace_is_replaced_after_the_wait(tmp_path):
    (tmp_path / "lock").mkdir()
    words = [str(os.getpid()), *find_own_place(tmp_path)]
    (tmp_path / "lock/.holder").write_text(" ".join(words))

    said = want_lock_in_other_namespace(tmp_path)

    assert said.startswith(f"process {os.getpid()} on {socket.gethostname()} is at it")
    assert said.endswith("\ntook it\n")


def test_row_16_a_link_in_a_locks_place_fails_the_run_with_one_line(forks, tmp_path):
    (run,) = plan(tmp_path)
    run.folder.path.mkdir(parents=True)
    run.folder.lock.symlink_to("nowhere")

    done = forks.run("train", "c.yaml", cwd=tmp_path, kill_after=60)

    assert done.code == 1
    assert done.said.count("is a symbolic link") == 1
    assert "Remove the link" in done.said
    assert "Traceback" not in done.said


@pytest.mark.parametrize("what", ["lock", "folder"])
def test_row_16_one_whose_lock_was_removed_by_hand_says_so_and_stops(what, forks, tmp_path):
    (run,) = plan(tmp_path, "train.epochs=400", "train.checkpoint_every=20")
    holder = forks.start(
        "train", "c.yaml", "-s", "train.epochs=400", "-s", "train.checkpoint_every=20",
        cwd=tmp_path, before=BEAT_FAST,
    )  # fmt: skip
    wait_until(run.folder.checkpoints.find)

    folder = run.folder.lock if what == "lock" else run.folder.path
    folder.rename(tmp_path / "removed")  # at once, as a removal is not
    holder.wait()

    assert "this run's lock is gone: somebody removed it or the run's folder" in holder.said
    assert "has taken this run over" not in holder.said
    assert "Traceback" not in holder.said


def test_row_16_a_killed_holder_that_nobody_took_note_of_is_replaced_at_once(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / "lock").mkdir()
    own_place = find_own_place(tmp_path)
    (tmp_path / "lock/.holder").write_text(" ".join([str(killed.pid), *own_place]))
    assert not is_abandoned(tmp_path / "lock")
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table

    assert is_abandoned(tmp_path / "lock")
    with hold_folder(tmp_path / "lock", pytest.fail):
        pass
    killed.wait()


def test_row_16_a_holder_on_another_machine_is_waited_for(tmp_path, fast):
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/.holder").write_text("1 elsewhere")
    said = []

    with hold_folder(tmp_path / "lock", said.append):
        pass

    assert said[0].startswith("process 1 on elsewhere is at it")


def test_row_16_a_clock_that_jumps_makes_no_living_holder_dead(tmp_path, fast):
    give_up = [False] * 200 + [True]

    def jump():
        moment = 4e9 if len(give_up) % 2 else 1.0
        os.utime(tmp_path / "lock", (moment, moment))
        return give_up.pop(0)

    with (
        hold_folder(tmp_path / "lock", pytest.fail),
        pytest.raises(GivenUpError, match=f"process {os.getpid()} on "),
        hold_folder(tmp_path / "lock", lambda line: None, jump),
    ):
        pass


def hold_from_elsewhere(run):
    """Makes the lock of a run as a process on another machine would."""
    run.folder.lock.mkdir(parents=True)
    (run.folder.lock / ".holder").write_text("77 elsewhere")


def test_row_16_a_run_held_on_another_machine_is_refused_until_the_beats_have_long_stopped(
    forks, tmp_path
):
    (run,) = plan(tmp_path)
    hold_from_elsewhere(run)

    held = forks.run("train", "c.yaml", cwd=tmp_path)  # the real timeout: a minute
    stopped = time.time() - exclusive_folder.STALE_SECONDS - 1
    os.utime(run.folder.lock, (stopped, stopped))
    abandoned = forks.run("train", "c.yaml", cwd=tmp_path, before=BEAT_FAST)

    assert held.code == 2
    assert "is being trained by process 77 on elsewhere right now; wait for it" in held.said
    assert abandoned.code == 0, abandoned.said
    assert "process 77 on elsewhere is at it" in abandoned.said
    assert "1 finished" in abandoned.said
    assert not run.folder.lock.exists()


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

    assert other.code == 2
    assert f"is being trained by process {holder.pid} on {socket.gethostname()}" in other.said
    holder.send_signal(signal.SIGTERM)
    assert holder.wait() == 143
    assert read_run(run.folder.path).state == "interrupted"
