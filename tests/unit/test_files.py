"""Files that are written in place, and what killed processes leave."""

import contextlib
import os
import threading
import time

import pytest

from bnexp.errors import BnexpError
from bnexp.files import open_text, open_to_write, remove_abandoned, write_bytes_atomically
from bnexp.locks import describe_holder, hold_lock
from bnexp.runs import RunDir
from bnexp.runs.claim_record import FILE, note_result
from bnexp.runs.streams.metrics_log import MetricsLog


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def put(kind, path, target):
    match kind:
        case "link":
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target.with_name("missing"))
        case "FIFO":
            os.mkfifo(path)
        case "folder":
            path.mkdir()


every_kind = pytest.mark.parametrize("kind", ["link", "dangling link", "FIFO", "folder"])


def in_time(call):
    """Returns the exception that a call ended with, or None; it must not wait."""
    ended = []

    def run():
        try:
            call()
        except OSError as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert ended, "it waits"
    return ended[0]


@every_kind
@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_APPEND, os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
def test_nothing_but_a_plain_file_is_written_to(kind, flags, precious):
    path = precious.with_name("file")
    put(kind, path, precious)

    error = in_time(lambda: os.close(open_to_write(path, flags)))

    assert isinstance(error, OSError)
    assert kind == "folder" or error.strerror == "it is not a plain file"
    assert precious.read_text() == "precious"
    assert not precious.with_name("missing").exists()


def test_a_plain_file_is_made_appended_to_and_replaced(tmp_path):
    for mode, line, expected in (("a", "one", "one"), ("a", "two", "onetwo"), ("w", "3", "3")):
        with open_text(tmp_path / "file", mode) as file:
            file.write(line)
        assert (tmp_path / "file").read_text() == expected


@every_kind
def test_the_holder_of_a_lock_is_noted_in_no_other_file(kind, precious):
    put(kind, precious.with_name(".lock.holder"), precious)

    def hold():
        with hold_lock(precious.with_name(".lock"), print):
            pass

    assert in_time(hold) is None
    assert precious.read_text() == "precious"


@every_kind
def test_what_is_locked_is_no_other_file(kind, precious):
    path = precious.with_name(".lock")
    put(kind, path, precious)

    def hold():
        with contextlib.suppress(BnexpError), hold_lock(path, print):
            pass

    in_time(hold)
    assert precious.read_text() == "precious"
    assert not precious.with_name("missing").exists()


@every_kind
def test_what_is_written_whole_takes_the_place_of_a_link(kind, precious):
    path = precious.with_name("status.json")
    put(kind, path, precious)

    error = in_time(lambda: write_bytes_atomically(path, b"own"))

    assert precious.read_text() == "precious"
    if kind == "folder":
        assert isinstance(error, OSError)
    else:
        assert path.read_bytes() == b"own"


@every_kind
def test_a_log_is_no_other_file(kind, precious):
    folder = RunDir(precious.parent)
    put(kind, folder.log, precious)

    assert in_time(lambda: folder.say("a line")) is None
    assert precious.read_text() == "precious"


@every_kind
def test_metrics_and_claims_are_appended_to_no_other_file(kind, precious):
    put(kind, precious.with_name("metrics.jsonl"), precious)
    put(kind, precious.with_name(FILE), precious)

    for call in (
        lambda: MetricsLog(precious.with_name("metrics.jsonl")),
        lambda: note_result(precious.parent, "0" * 64, 1.0),
    ):
        assert isinstance(in_time(call), OSError)
    assert precious.read_text() == "precious"


def test_a_holder_is_named_while_it_holds(tmp_path):
    with hold_lock(tmp_path / ".lock", print):
        assert describe_holder(tmp_path / ".lock").startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("is_old", [True, False])
def test_what_killed_processes_left_is_deleted_after_an_hour(is_old, tmp_path):
    file, folder = tmp_path / ".report.0a.tmp", tmp_path / ".report.0b.tmp"
    file.write_text("half")
    (folder / "new").mkdir(parents=True)
    others = [tmp_path / ".other.0a.tmp", tmp_path / "report.tmp"]
    for path in others:
        path.write_text("not its own")
    then = time.time() - (3700 if is_old else 3500)
    for path in (file, folder, *others):
        os.utime(path, (then, then))

    remove_abandoned(tmp_path / "report")

    assert [file.exists(), folder.exists()] == [not is_old] * 2
    assert all(path.exists() for path in others)


def test_writing_a_file_deletes_what_was_left_of_it(tmp_path):
    left = tmp_path / ".page.html.0a.tmp"
    left.write_text("half")
    os.utime(left, (time.time() - 3700,) * 2)

    write_bytes_atomically(tmp_path / "page.html", b"whole")

    assert not left.exists()
    assert (tmp_path / "page.html").read_bytes() == b"whole"
