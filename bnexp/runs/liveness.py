"""How long ago a run last showed that somebody trains it."""

from __future__ import annotations

import time

from bnexp.runs.record import RunRecord


def seconds_since_sign_of_life(record: RunRecord) -> float | None:
    """Returns how long ago the run's process last wrote its heartbeat; None if it never did."""
    return max(0.0, time.time() - record.heartbeat) if record.heartbeat else None
