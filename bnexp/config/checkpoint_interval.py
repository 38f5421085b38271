"""How often a run saves a checkpoint: `500` is steps; `30s`, `5min` and `1h` are time."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)")


@dataclass(frozen=True)
class CheckpointInterval:
    """Steps or seconds from one checkpoint to the next; neither: only when the run ends."""

    steps: int | None = None
    seconds: float | None = None


def read_interval(value: int | str | None) -> CheckpointInterval:
    """Returns what `train.checkpoint_every` says.

    Raises:
        ValueError: It is no interval; the message says what one looks like.
    """
    if value is None:
        return CheckpointInterval()
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(_refuse(value))
    if isinstance(value, int):
        if value < 1:
            raise ValueError(f"must be at least 1 step, not {value}")
        return CheckpointInterval(steps=value)
    found = _FORM.fullmatch(value)
    if not found:
        raise ValueError(_refuse(value))
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds <= 0:
        raise ValueError(f"must be more than 0, not {value}; null saves only at the end")
    return CheckpointInterval(seconds=seconds)


def _refuse(value: object) -> str:
    shown = "true or false" if isinstance(value, bool) else repr(value)[:40]
    return (
        "must be a whole number of steps such as 500, a time such as 30s, 5min or 1h, or null, "
        f"not {shown}"
    )
