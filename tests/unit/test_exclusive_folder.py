"""A folder that one process holds at a time."""

import threading
import time

import pytest

from bnexp import exclusive_folder
from bnexp.exclusive_folder import describe_holder, hold_folder


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


def test_a_holder_that_has_not_written_its_name_yet_is_named_all_the_same(tmp_path):
    folder = tmp_path / "lock"
    folder.mkdir()
    naming = threading.Timer(0.1, (folder / ".holder").write_text, ["123 elsewhere token"])
    naming.start()

    assert describe_holder(folder) == "process 123 on elsewhere"
    naming.join()


def test_a_missing_parent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), hold_folder(tmp_path / "none" / "lock", pytest.fail):
        pass
