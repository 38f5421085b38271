import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from bnexp.errors import BnexpError
from bnexp.locks import GivenUpError, LostLockError, describe_holder, hold_lock, is_held

HOLD = """
import pathlib, sys, time
from bnexp.locks import hold_lock
with hold_lock(pathlib.Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / ".lock"


@pytest.fixture
def holder(lock):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def give_up_after(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_a_lock_is_held_for_the_block_alone(lock):
    assert not is_held(lock)
    with hold_lock(lock, pytest.fail):
        assert is_held(lock)
        assert describe_holder(lock).startswith(f"process {os.getpid()} on ")
    assert not is_held(lock)
    assert describe_holder(lock) == "another process"


def test_an_error_in_the_block_frees_the_lock(lock):
    with pytest.raises(KeyError), hold_lock(lock, pytest.fail):
        raise KeyError
    assert not is_held(lock)


def test_of_many_threads_one_is_in_the_block_at_a_time(lock):
    inside, most = [], []

    def work():
        with hold_lock(lock, lambda line: None):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_one_who_waits_says_once_for_whom_and_may_give_up(lock, holder):
    said = []
    with (
        pytest.raises(GivenUpError, match=f"process {holder.pid} on .* holds"),
        hold_lock(lock, said.append, give_up_after(0.5)),
    ):
        pass
    (line,) = said
    assert line.startswith(f"waiting for process {holder.pid} on ")
    assert line.endswith(f", which holds {lock}")


def test_the_lock_of_a_killed_holder_is_free_at_once(lock, holder):
    holder.kill()
    holder.wait()

    assert not is_held(lock)
    with hold_lock(lock, pytest.fail):
        pass


def test_the_lock_of_a_killed_holder_that_nobody_waited_for_is_free_at_once(lock, holder):
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table

    assert not is_held(lock)


def test_a_stopped_holder_keeps_its_lock(lock, holder):
    holder.send_signal(signal.SIGSTOP)
    time.sleep(0.3)

    assert is_held(lock)
    with pytest.raises(GivenUpError), hold_lock(lock, lambda line: None, give_up_after(0.5)):
        pass


def test_a_lock_file_without_a_holder_holds_nobody_up(lock):
    lock.touch()

    assert not is_held(lock)
    with hold_lock(lock, pytest.fail):
        pass


def test_the_note_of_a_dead_holder_is_not_believed(lock):
    lock.touch()
    lock.with_name(".lock.holder").write_text("1 elsewhere")

    assert not is_held(lock)


def test_a_forked_child_does_not_keep_the_lock(lock):
    with hold_lock(lock, pytest.fail):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
    try:
        assert not is_held(lock)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_in_a_locks_place_is_refused_in_words(kind, lock):
    if kind == "link":
        lock.symlink_to("nowhere")
    else:
        lock.mkdir()

    assert not is_held(lock)
    with (
        pytest.raises(BnexpError, match=r"is a link or a folder, but must be a plain file"),
        hold_lock(lock, pytest.fail),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_never_worked_around(number, lock, monkeypatch):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)

    with (
        pytest.raises(BnexpError, match=r"has no working locks .* use a folder on a local disk"),
        hold_lock(lock, pytest.fail),
    ):
        pass


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_holder_whose_lock_was_removed_by_hand_learns_it_before_it_writes(is_replaced, lock):
    with hold_lock(lock, pytest.fail) as hold:
        hold.check()
        lock.rename(lock.with_name("removed"))
        if is_replaced:
            lock.touch()
        with pytest.raises(LostLockError, match=f"{lock} was removed or replaced while process"):
            hold.check()
