"""A folder that one process holds at a time."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from bnexp import exclusive_folder
from bnexp.exclusive_folder import GivenUpError, hold_folder, is_abandoned


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(exclusive_folder, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(exclusive_folder, "STALE_SECONDS", 1.0)
    monkeypatch.setattr(exclusive_folder, "_POLL_SECONDS", 0.01)


def test_the_folder_is_there_in_the_block_and_gone_after_it(tmp_path):
    with hold_folder(tmp_path / "lock", pytest.fail) as hold:
        (hold.folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_gone_after_an_error_too(tmp_path):
    with pytest.raises(ValueError, match="x"), hold_folder(tmp_path / "lock", pytest.fail):
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []


def test_of_many_only_one_is_in_the_block_at_a_time(tmp_path, fast):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        with hold_folder(tmp_path / "lock", lambda line: None):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_a_living_holder_is_waited_for_however_long_it_takes(tmp_path, fast):
    order = []
    said = []

    def hold_long():
        with hold_folder(tmp_path / "lock", pytest.fail):
            held.set()
            time.sleep(2.5)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=hold_long)
    thread.start()
    held.wait()
    with hold_folder(tmp_path / "lock", said.append):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert len(said) == 1
    assert str(tmp_path / "lock") in said[0]


def test_a_dead_holder_is_replaced_and_what_it_left_is_removed(tmp_path, fast):
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "partial").touch()
    with hold_folder(tmp_path / "lock", lambda line: None) as hold:
        assert not (hold.folder / "partial").exists()
    assert list(tmp_path.iterdir()) == []


def test_one_who_was_replaced_does_not_remove_the_folder_of_the_next(tmp_path):
    with hold_folder(tmp_path / "lock", pytest.fail) as hold:
        hold.folder.rename(tmp_path / "taken-over")
        hold.folder.mkdir()
    assert hold.folder.exists()


def test_a_missing_parent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), hold_folder(tmp_path / "none" / "lock", pytest.fail):
        pass


def test_row_16_a_killed_holder_that_nobody_took_note_of_is_replaced_at_once(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/.holder").write_text(f"{killed.pid} {socket.gethostname()}")
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
