"""How long ago a run last showed that somebody trains it."""

from __future__ import annotations

import time
from pathlib import Path

from bnexp.runs.record import RunRecord
from bnexp.runs.run_dir import RunDir


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
