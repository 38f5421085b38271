"""A temporary folder that one process holds at a time, also across machines.

Making a folder is atomic on every file system, network ones included, where file
locks are not to be relied on. While it is held, its modification time moves on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BEAT_SECONDS = 5.0
"""How often the holder shows that it lives."""
STALE_SECONDS = 60.0
"""A holder that has not shown itself for so long, by the waiter's clock, is taken for dead."""
_POLL_SECONDS = 0.2
_HOLDER = ".holder"


class GivenUpError(Exception):
    """The wait for a folder was given up; another process still holds it."""


def _never() -> bool:
    return False


@contextlib.contextmanager
def hold_folder(
    folder: Path, say: Callable[[str], None], should_give_up: Callable[[], bool] = _never
) -> Iterator[Path]:
    """Makes `folder` for the block alone and removes it, with what it holds, at the end.

    Where another process holds it, this one says so and waits until it is gone, or
    takes it over from a dead holder.

    Raises:
        GivenUpError: `should_give_up` said so during the wait.
        OSError: The folder cannot be made.
    """
    while not _make(folder):
        _wait_until_free(folder, say, should_give_up)
    identity = _identify(folder)
    with contextlib.suppress(OSError):
        (folder / _HOLDER).write_text(f"{os.getpid()} {socket.gethostname()}")
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(folder, done), daemon=True)
    beating.start()
    try:
        yield folder
    finally:
        done.set()
        beating.join()
        # One who slept for long enough to be taken for dead must not remove the next one's.
        if _identify(folder) == identity:
            shutil.rmtree(folder, ignore_errors=True)


def is_abandoned(folder: Path) -> bool:
    """Returns whether a folder's holder was a process of this machine that is no more."""
    try:
        number, _, host = (folder / _HOLDER).read_text().partition(" ")
        return host == socket.gethostname() and not _is_alive(int(number))
    except (OSError, ValueError):
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        # One that was killed keeps its number until its parent takes note: for ever, where the
        # parent is a container's first process and takes none.
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in {"Z", "X"}


def describe_holder(folder: Path) -> str:
    """Returns in words who holds a folder, as far as it can be read."""
    try:
        number, _, host = (folder / _HOLDER).read_text().partition(" ")
    except (OSError, ValueError):
        return "another process"
    return f"process {number} on {host}" if host else "another process"


def is_held(folder: Path) -> bool:
    """Returns whether somebody holds the folder and has lately shown that they live."""
    try:
        age = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    return abs(age) < STALE_SECONDS and not is_abandoned(folder)


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _beat(folder: Path, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(folder)


def _wait_until_free(
    folder: Path, say: Callable[[str], None], should_give_up: Callable[[], bool]
) -> None:
    if is_abandoned(folder):
        _remove(folder)
        return
    say(
        f"{describe_holder(folder)} is at it (it holds {folder}): waiting for it, or for "
        f"{STALE_SECONDS:g} seconds without a sign of life"
    )
    seen = _last_beat(folder)
    since = time.monotonic()
    while seen is not None:
        if should_give_up():
            raise GivenUpError(f"{folder} is held by {describe_holder(folder)}")
        time.sleep(_POLL_SECONDS)
        beat = _last_beat(folder)
        if beat != seen:
            seen, since = beat, time.monotonic()
        elif time.monotonic() - since > STALE_SECONDS:
            _remove(folder)
            return


def _remove(folder: Path) -> None:
    # Renamed first: of several who wait, one gets it, and nobody sees it half removed.
    grave = folder.with_name(f"{folder.name}.{os.getpid()}.{time.monotonic_ns()}")
    with contextlib.suppress(OSError):
        folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def _identify(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _last_beat(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
