"""Whether a run that says it is running still has somebody who trains it."""

from __future__ import annotations

import time
from pathlib import Path

from bnexp.exclusive_folder import is_held
from bnexp.runs.record import RunRecord
from bnexp.runs.run_dir import RunDir


def is_silent(record: RunRecord) -> bool:
    """Returns whether a run is said to be running, but nobody who trains it shows that they live.

    Its process has probably died: it holds the run no more, or has not been heard from for
    so long that another may take the run over.
    """
    return record.state == "running" and not is_held(RunDir(record.path).lock)


def seconds_since_sign_of_life(record: RunRecord) -> float | None:
    """Returns how long ago the run's process last showed that it lives; None where never."""
    signs = [record.heartbeat, _last_touched(RunDir(record.path).lock)]
    known = [sign for sign in signs if sign]
    return max(0.0, time.time() - max(known)) if known else None


def _last_touched(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
