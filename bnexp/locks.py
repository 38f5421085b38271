"""A file that one process holds at a time, by a lock of the operating system.

The kernel frees the lock when its holder dies, however it dies; a holder that is merely stopped
keeps it. The file itself stays when it is released. A second file beside it names the holder, for
messages only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bnexp.errors import BnexpError
from bnexp.files import open_text, read_foreign

if TYPE_CHECKING:
    from filelock import FileLock

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 0.05
"""How long a lock must be seen held: a look at it takes it for a moment, too."""
_UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class GivenUpError(Exception):
    """The wait for a lock was given up; another process still holds it."""


class LostLockError(BnexpError):
    """The lock's file was removed or replaced by hand while this process held it."""


class Hold:
    """A lock that this process holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identify(path)

    def check(self) -> None:
        """Makes sure, before something is written, that nobody else can hold the lock by now.

        Raises:
            LostLockError: Its file is gone or another one.
        """
        if not self.is_own():
            raise LostLockError(
                f"{self._path} was removed or replaced while process {os.getpid()} held it"
            )

    def is_own(self) -> bool:
        """Returns whether the file is still the one that is locked."""
        try:
            return _identify(self._path) == self._identity
        except OSError:  # a file server that is away for a moment has given it to nobody
            return True


@contextlib.contextmanager
def hold_lock(
    path: Path, say: Callable[[str], None], should_give_up: Callable[[], bool] = lambda: False
) -> Iterator[Hold]:
    """Holds the lock for the block; says who has it and waits if another process does.

    Raises:
        GivenUpError: `should_give_up` said so during the wait.
        BnexpError: The file system has no working locks, or something else is in the lock's place.
        OSError: The file cannot be made.
    """
    lock = _build_lock(path)
    has_said = False
    while not _acquire(lock, path, seconds=0.0):
        if not has_said:
            say(f"waiting for {describe_holder(path)}, which holds {path}")
            has_said = True
        if should_give_up():
            raise GivenUpError(f"{describe_holder(path)} holds {path}")
        time.sleep(_POLL_SECONDS)
    hold = Hold(path)
    try:
        with contextlib.suppress(OSError), open_text(_holder_note(path), "w") as note:
            note.write(f"{os.getpid()} {socket.gethostname()}")
        yield hold
    finally:
        if hold.is_own():
            with contextlib.suppress(OSError):
                _holder_note(path).unlink()
        lock.release()


def is_held(path: Path) -> bool:
    """Returns whether a process holds the lock; True also if this one may not look."""
    if not path.is_file():
        return False
    try:
        lock = _build_lock(path)
        is_free = _acquire(lock, path, _PROBE_SECONDS)
        lock.release()
    except PermissionError:
        return True
    except (OSError, BnexpError):
        return False
    return not is_free


def describe_holder(path: Path) -> str:
    """Returns in words who holds the lock, as far as the note beside it can be read."""
    for _ in range(3):
        try:
            process, host = read_foreign(_holder_note(path), 200).decode().split()
        except (OSError, ValueError):
            time.sleep(_PROBE_SECONDS)  # one that has just locked it writes its name next
        else:
            return f"process {process} on {host}"
    return "another process"


def _build_lock(path: Path) -> FileLock:
    from filelock import FileLock

    # The silent fallback, a file that outlives its dead holder, is what must not happen.
    return FileLock(path, fallback_to_soft=False, thread_local=False)


def _acquire(lock: FileLock, path: Path, seconds: float) -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=seconds, poll_interval=0.01)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        number = getattr(error, "errno", errno.ENOSYS)
        if number in _UNSUPPORTED:
            raise BnexpError(
                f"the file system of {path.parent} has no working locks ({error}), so two "
                "processes could write at once; use a folder on a local disk, or on NFS version 4"
            ) from error
        if number in (errno.ELOOP, errno.EISDIR) or path.is_dir():
            raise BnexpError(
                f"{path} is a link or a folder, but must be a plain file; remove it"
            ) from error
        raise
    return True


def _holder_note(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
