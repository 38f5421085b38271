"""A folder that one process holds at a time."""

import errno
import shutil
import threading
import time
from pathlib import Path

import pytest

from bnexp import exclusive_folder
from bnexp.errors import BnexpError
from bnexp.exclusive_folder import (
    GivenUpError,
    LostLockError,
    describe_holder,
    hold_folder,
    is_abandoned,
    is_held,
)


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


@pytest.mark.parametrize("target", ["nowhere", "elsewhere"])
def test_a_symbolic_link_in_its_place_is_refused_and_stays(target, tmp_path, fast):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lock").symlink_to(tmp_path / target)

    with (
        pytest.raises(BnexpError, match=f"{tmp_path}/lock is a symbolic link.* Remove the link$"),
        hold_folder(tmp_path / "lock", pytest.fail),
    ):
        pass

    assert (tmp_path / "lock").readlink() == tmp_path / target


def leave_dead_lock(folder, monkeypatch, error):
    """Makes a lock whose holder is dead and that cannot be renamed; counts the attempts."""
    attempts = []

    def refuse(path, target):
        attempts.append(path)
        if len(attempts) > 20:
            pytest.fail("tried again and again")
        raise OSError(error, "as the system says", str(path))

    folder.mkdir()
    monkeypatch.setattr(exclusive_folder, "is_abandoned", lambda folder: True)
    monkeypatch.setattr(Path, "rename", refuse)
    return attempts


def test_a_dead_holders_folder_that_cannot_be_removed_is_an_error(tmp_path, monkeypatch, fast):
    attempts = leave_dead_lock(tmp_path / "lock", monkeypatch, errno.EACCES)

    with (
        pytest.raises(BnexpError, match=r"cannot remove .*lock, left by .*: as the system says"),
        hold_folder(tmp_path / "lock", pytest.fail),
    ):
        pass
    assert len(attempts) == 1


def test_one_who_tries_again_to_remove_a_dead_holders_folder_can_be_stopped(
    tmp_path, monkeypatch, fast
):
    attempts = leave_dead_lock(tmp_path / "lock", monkeypatch, errno.ESTALE)

    with (
        pytest.raises(GivenUpError),
        hold_folder(tmp_path / "lock", pytest.fail, lambda: len(attempts) == 3),
    ):
        pass


def test_one_whose_folder_was_removed_by_hand_is_told_so(tmp_path):
    with hold_folder(tmp_path / "lock", pytest.fail) as hold:
        shutil.rmtree(tmp_path / "lock")

        with pytest.raises(LostLockError, match="lock is gone: somebody removed it or the run's"):
            hold.check()


def test_one_whose_folder_another_has_is_told_whose_it_is(tmp_path):
    with hold_folder(tmp_path / "lock", pytest.fail) as hold:
        shutil.rmtree(tmp_path / "lock")
        (tmp_path / "lock").mkdir()
        (tmp_path / "lock/.holder").write_text("77 elsewhere token")

        with pytest.raises(
            LostLockError, match=r"^process 77 on elsewhere has taken this run over"
        ):
            hold.check()


def test_a_missing_parent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), hold_folder(tmp_path / "none" / "lock", pytest.fail):
        pass


def test_one_that_cannot_be_removed_is_held_by_nobody_once_it_is_released(tmp_path, monkeypatch):
    folder = tmp_path / "lock"

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with hold_folder(folder, pytest.fail):
        assert is_held(folder)
        monkeypatch.setattr(Path, "rename", refuse)  # as in a folder that may no longer be written
    assert folder.exists()
    assert not is_held(folder)
    assert is_abandoned(folder)

    monkeypatch.undo()
    with hold_folder(folder, pytest.fail):
        assert is_held(folder)
    assert list(tmp_path.iterdir()) == []
