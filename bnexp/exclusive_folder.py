"""A temporary folder that one process holds at a time, also across machines.

Making a folder is atomic on every file system, network ones included, where file
locks are not to be relied on. While it is held, its modification time moves on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from bnexp.errors import BnexpError
from bnexp.process_identity import find_own_place, is_alive

BEAT_SECONDS = 5.0
"""How often the holder shows that it lives."""
STALE_SECONDS = 60.0
"""A holder that has not shown itself for so long, by the waiter's clock, is taken for dead."""
_POLL_SECONDS = 0.2
_TRIES = 3
_HOLDER = ".holder"
_RELEASED = 0.0
"""The modification time of a folder that its holder could release but not remove."""


class GivenUpError(Exception):
    """The wait for a folder was given up; another process still holds it."""


class LostLockError(BnexpError):
    """The folder is gone, or another process took this one for dead and has it now."""


class Hold:
    """A folder that this process holds, as long as nobody takes it for dead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The token, since a file system may give a new folder the number of one just removed.
        with contextlib.suppress(OSError):
            words = [str(os.getpid()), *find_own_place(), str(uuid.uuid4())]
            (folder / _HOLDER).write_text(" ".join(words))
        self._identity = _identify(folder)
        self._last_beat = time.monotonic()
        self._is_lost = False
        self._beating = threading.Lock()

    @property
    def is_lost(self) -> bool:
        """Whether another process is known to have it; as of the last beat, so that it is quick."""
        return self._is_lost

    def check(self) -> None:
        """Makes sure, before something is written, that the folder is still this process's.

        Raises:
            LostLockError: It is not.
        """
        if time.monotonic() - self._last_beat > STALE_SECONDS:
            self.beat()
        if self._is_lost or not self.is_own():
            self._is_lost = True
            raise LostLockError(_describe_loss(self.folder))

    def beat(self) -> None:
        """Shows that the holder lives, unless the folder is another's by now."""
        with self._beating:
            is_late = time.monotonic() - self._last_beat > STALE_SECONDS
            if self.is_own():
                with contextlib.suppress(OSError):
                    os.utime(self.folder)
            if is_late:  # one who waits has seen this beat after that, or has taken the folder
                time.sleep(2 * _POLL_SECONDS)
            self._is_lost = self._is_lost or not self.is_own()
            self._last_beat = time.monotonic()

    def is_own(self) -> bool:
        """Returns whether the folder is still the one that this process made."""
        try:
            return _identify(self.folder) == self._identity
        except OSError:  # a file server that is away for a moment has given it to nobody
            return True


def _never() -> bool:
    return False


@contextlib.contextmanager
def hold_folder(
    folder: Path, say: Callable[[str], None], should_give_up: Callable[[], bool] = _never
) -> Iterator[Hold]:
    """Makes `folder` for the block alone and removes it, with what it holds, at the end.

    Where another process holds it, this one says so and waits until it is gone, or
    takes it over from a dead holder. What it gives tells a holder that slept whether it
    still is one.

    Raises:
        GivenUpError: `should_give_up` said so during the wait.
        BnexpError: A symbolic link is in the folder's place, or a dead holder's folder
            cannot be removed.
        OSError: The folder cannot be made.
    """
    while not _make(folder):
        _pause(folder, should_give_up)  # here, so that each turn of the loop has one
        _wait_until_free(folder, say, should_give_up)
    hold = Hold(folder)
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(hold, done), daemon=True)
    beating.start()
    try:
        yield hold
    finally:
        done.set()
        beating.join()
        # One who slept for long enough to be taken for dead must not remove the next one's.
        if hold.is_own():
            _release(folder)


def is_abandoned(folder: Path) -> bool:
    """Returns whether a folder's holder is known to be no more.

    It is known only where the holder's process number means the same as here.
    """
    try:
        if folder.stat().st_mtime == _RELEASED:
            return True
        number, *place = (folder / _HOLDER).read_text().split()[:4]
        return place == find_own_place() and not is_alive(int(number))
    except (OSError, ValueError):
        return False


def describe_holder(folder: Path) -> str:
    """Returns in words who holds a folder, as far as it can be read."""
    for _ in range(_TRIES):
        try:
            number, host = (folder / _HOLDER).read_text().split()[:2]
        except (OSError, ValueError):
            if not folder.exists():
                break
            time.sleep(_POLL_SECONDS)  # one that has just made it writes its name next
        else:
            return f"process {number} on {host}"
    return "another process"


def _describe_loss(folder: Path) -> str:
    time.sleep(_POLL_SECONDS)  # one that has just removed it makes its own next
    if folder.exists():
        return f"{describe_holder(folder)} has taken this run over"
    return (
        "this run's lock is gone: somebody removed it or the run's folder, or another process "
        "took the run over and has ended"
    )


def is_held(folder: Path) -> bool:
    """Returns whether somebody holds the folder and has lately shown that they live."""
    try:
        beat = folder.stat().st_mtime
    except OSError:
        return False
    # A file server's clock may be minutes off this machine's: what looks old is asked again.
    is_fresh = (
        abs(time.time() - beat) < STALE_SECONDS or abs(_now_beside(folder) - beat) < STALE_SECONDS
    )
    return is_fresh and not is_abandoned(folder)


def _now_beside(folder: Path) -> float:
    """Returns the time by the clock of the folder's file system, which may be a server's."""
    try:
        with tempfile.TemporaryFile(dir=folder.parent) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:  # where nothing may be written, this machine's clock must do
        return time.time()


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_symlink():  # nobody makes one here, and who would hold it is not known
            raise BnexpError(
                f"{folder} is a symbolic link; a folder that says who is at work must be made "
                "in its place. Remove the link"
            ) from None
        return False
    return True


def _beat(hold: Hold, done: threading.Event) -> None:
    while not (hold.is_lost or done.wait(BEAT_SECONDS)):
        hold.beat()


def _wait_until_free(
    folder: Path, say: Callable[[str], None], should_give_up: Callable[[], bool]
) -> None:
    if is_abandoned(folder):
        _remove(folder)
        return
    seen = _last_beat(folder)
    if seen is None:
        return
    say(
        f"{describe_holder(folder)} is at it (it holds {folder}): waiting for it, or for "
        f"{STALE_SECONDS:g} seconds without a sign of life"
    )
    since = time.monotonic()
    while seen is not None:
        _pause(folder, should_give_up)
        beat = _last_beat(folder)
        if beat != seen:
            seen, since = beat, time.monotonic()
        elif time.monotonic() - since > STALE_SECONDS:
            _remove(folder)
            return


def _pause(folder: Path, should_give_up: Callable[[], bool]) -> None:
    if should_give_up():
        raise GivenUpError(f"{folder} is held by {describe_holder(folder)}")
    time.sleep(_POLL_SECONDS)


def _release(folder: Path) -> None:
    grave = _find_grave(folder)
    try:
        folder.rename(grave)
    except OSError:  # what holds it may no longer be written
        with contextlib.suppress(OSError):
            os.utime(folder, (_RELEASED, _RELEASED))
    shutil.rmtree(grave, ignore_errors=True)


def _find_grave(folder: Path) -> Path:
    """Returns the name that a folder gets before it is removed: nobody sees it half removed."""
    return folder.with_name(f"{folder.name}.{os.getpid()}.{time.monotonic_ns()}")


def _remove(folder: Path) -> None:
    grave = _find_grave(folder)  # of several who wait, one gets it
    try:
        folder.rename(grave)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ESTALE}:  # another one has got it
            raise BnexpError(
                f"cannot remove {folder}, left by {describe_holder(folder)}, which is dead: "
                f"{error.strerror}. Remove it"
            ) from error
    shutil.rmtree(grave, ignore_errors=True)


def _identify(folder: Path) -> tuple[int, str] | None:
    """Returns what no other holder's folder has; None where there is no folder."""
    try:
        number = folder.stat().st_ino
    except FileNotFoundError:
        return None
    try:
        return number, (folder / _HOLDER).read_text()
    except FileNotFoundError:
        return number, ""


def _last_beat(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
