"""What was last tuned: `tuning.json`, beside the tuning runs of an experiment.

Tuning again, over more values, does not touch a run whose values are chosen again, so what a run
says of its own tuning may be outdated. The file holds the SHA-256 of what it says: it decides what
a comparison calls fair.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnexp.files import decode_json, digest, encode_json, read_foreign, write_bytes_atomically
from bnexp.runs.checkpoint_files import set_aside_a_folder

FILE = "tuning.json"
"""Its name in the folder of the tuning runs."""


def write_tunings(folder: Path, tunings: Mapping[str, Any]) -> None:
    """Writes what was tuned for each cell, by its name, unless the file says just that.

    A folder of its name, which tuning does not make, gets another one.

    Raises:
        OSError: The file cannot be written.
    """
    path = folder / FILE
    content = encode_json({"sha256": digest(encode_json(tunings)), "cells": tunings})
    with contextlib.suppress(OSError):
        if read_foreign(path) == content:
            return
    set_aside_a_folder(path)
    write_bytes_atomically(path, content)


def read_tunings(folder: Path) -> tuple[Mapping[str, Any], str | None]:
    """Returns what was last tuned for each cell, and why none of it counts, in a sentence."""
    path = folder / FILE
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}, f"{path} is missing" if folder.is_dir() else None
    except (OSError, ValueError) as error:
        return {}, f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read(path: Path, _time: int, _size: int) -> tuple[Mapping[str, Any], str | None]:
    try:
        content = decode_json(read_foreign(path))
        cells, expected = dict(content["cells"]), content["sha256"]
        if digest(encode_json(cells)) == expected:
            return cells, None
    except OSError as error:
        return {}, f"{path} cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return {}, f"{path} is not what this version's tuning wrote; train again, and it is rewritten"
