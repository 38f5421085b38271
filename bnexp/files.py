"""Files written so that each is the old one or the new one, and files that others wrote, read.

Every file of a runs folder is read through here: it may come from anybody.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

from pydantic_core import from_json

MOST_BYTES = 16 * 2**20
"""More than any text file of a run holds: a summary of 10,000 epochs with ten tags has 2 MB."""

_ABANDONED_AFTER_SECONDS = 3600.0
_NOT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_READING = os.O_RDONLY | _NOT_WAITING
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NOT_PLAIN = (errno.ELOOP, errno.EMLINK, errno.ENXIO)
"""What opening a link or a FIFO fails with, if links are not followed and nothing waits."""


def read_foreign(path: str | Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns the content of a file that somebody else may have put there.

    It never waits, as it would for a FIFO, and never takes more memory than allowed.

    Raises:
        OSError: There is no such file, it is not a plain file, or it is too large; `strerror`
            says which.
    """
    handle = os.open(path, _READING)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(path))
        if status.st_size > most_bytes:
            size = f"it has {status.st_size:,} bytes, more than the {most_bytes:,} allowed"
            raise OSError(errno.EFBIG, size, str(path))
        content = os.read(handle, status.st_size + 1)
        while len(content) < status.st_size and (more := os.read(handle, status.st_size)):
            content += more
        return content
    finally:
        os.close(handle)


@contextlib.contextmanager
def open_foreign(path: Path) -> Iterator[io.BufferedReader]:
    """Opens a file that somebody else may have put there, of any size, to be read in pieces.

    Raises:
        OSError: There is no such file, or it is not a plain file.
    """
    with os.fdopen(os.open(path, _READING), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(path))
        yield file


def digest(content: bytes) -> str:
    """Returns the SHA-256 of what a file holds, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def open_to_write(path: Path, flags: int) -> int:
    """Returns a handle of a file of ours to write to in place, which is made if it is missing.

    Somebody may have put a link there, whose target is not ours, or a FIFO, which would wait.

    Raises:
        OSError: It is no plain file, or cannot be opened; `strerror` says which.
    """
    problem = OSError(errno.EINVAL, "it is not a plain file", str(path))
    if not _NO_LINK and path.is_symlink():
        raise problem
    try:
        handle = os.open(path, flags | os.O_CREAT | _NOT_WAITING | _NO_LINK, 0o666)
    except OSError as error:
        if error.errno in _NOT_PLAIN:
            raise problem from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise problem
    return handle


def open_text(path: Path, mode: Literal["a", "w"]) -> TextIO:
    """Opens a text file of ours to append to it, or to replace its content, as `open_to_write`.

    Raises:
        OSError: It is no plain file, or cannot be opened.
    """
    flags = os.O_WRONLY | (os.O_APPEND if mode == "a" else os.O_TRUNC)
    return os.fdopen(open_to_write(path, flags), mode, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def open_atomically(
    path: Path, before_it_stands: Callable[[], None] = lambda: None
) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` that replaces it, synced to disk, on a clean exit.

    Whatever goes wrong inside the block, `path` keeps its old content and no temporary file is
    left; one that a killed process left is deleted after an hour. `before_it_stands` is called when
    the new file is on the disk, under its temporary name: what it removes is not lost if the disk
    is full.
    """
    remove_abandoned(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        before_it_stands()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_abandoned(path: Path) -> None:
    """Deletes what processes that were killed left under temporary names of a file or folder.

    These begin with a point and the name and end with `.tmp`; they are left alone for an hour.
    """
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if not (entry.name.startswith(f".{path.name}.") and entry.name.endswith(".tmp")):
                continue
            with contextlib.suppress(OSError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age <= _ABANDONED_AFTER_SECONDS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry)
                else:
                    Path(entry).unlink()


def write_bytes_atomically(
    path: Path, content: bytes, before_it_stands: Callable[[], None] = lambda: None
) -> None:
    """Writes a file so that a reader sees the old one or the new one."""
    with open_atomically(path, before_it_stands) as file:
        file.write(content)


def encode_json(value: Any) -> bytes:  # noqa: ANN401
    """Returns `value` as indented JSON in UTF-8; NaN and infinities are refused."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def decode_json(content: bytes) -> Any:  # noqa: ANN401
    """Returns what JSON in UTF-8 says, three times as fast as `json.loads`.

    Raises:
        ValueError: It is not JSON, or nested more than 200 deep.
    """
    return from_json(content)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can be asked to."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
