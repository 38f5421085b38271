"""Files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def open_atomically(
    path: Path, before_it_stands: Callable[[], None] = lambda: None
) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` that replaces it, synced to disk, on a clean exit.

    Whatever goes wrong inside the block, `path` keeps its old content and no
    temporary file is left. `before_it_stands` is called when the new file is on the disk, under
    its temporary name: what it removes is not lost if the disk is full.
    """
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


def write_text_atomically(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 so that a reader sees the old file or the new one."""
    with open_atomically(path) as file:
        file.write(text.encode())


def write_json_atomically(
    path: Path,
    value: Any,  # noqa: ANN401
    before_it_stands: Callable[[], None] = lambda: None,
) -> None:
    """Writes `value` as indented JSON; NaN and infinities are refused."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with open_atomically(path, before_it_stands) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can be asked to."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
