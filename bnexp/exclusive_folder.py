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


@contextlib.contextmanager
def hold_folder(folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Makes `folder` for the block alone and removes it, with what it holds, at the end.

    Where another process holds it, this one says so and waits until it is gone, or
    takes it over from a dead holder.

    Raises:
        OSError: The folder cannot be made.
    """
    while not _make(folder):
        _wait_until_free(folder, say)
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
        if host != socket.gethostname():
            return False
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


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


def _wait_until_free(folder: Path, say: Callable[[str], None]) -> None:
    if is_abandoned(folder):
        _remove(folder)
        return
    say(
        f"another process is at it (it holds {folder}): waiting for it, or for "
        f"{STALE_SECONDS:g} seconds without a sign of life"
    )
    seen = _last_beat(folder)
    since = time.monotonic()
    while seen is not None:
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
