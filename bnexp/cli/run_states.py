"""A run's state and age, as `ls`, `show` and `rm` write them in words and in JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from bnexp.runs import STATES, RunRecord
from bnexp.wording import format_age


def seconds_since_active(record: RunRecord) -> float | None:
    """Returns how long ago the run's process last renewed its heartbeat; None if it never did."""
    return max(0.0, time.time() - record.heartbeat) if record.heartbeat else None


def describe_state(record: RunRecord) -> str:
    """Returns the state, and when a running run was last active.

    A run whose status says running but whose process has died was cut off.
    """
    if record.state != "running":
        return record.state
    age = seconds_since_active(record)
    if record.is_silent:
        return "cut off" if age is None else f"cut off, last active {format_age(age)}"
    return f"running, last active {format_age(age or 0.0)}"


def count_states(records: Sequence[RunRecord]) -> str:
    """Returns `2 running (1 of them cut off), 3 finished`."""
    counts = Counter(record.state for record in records)
    silent = sum(record.is_silent for record in records)
    notes = {"running": f" ({silent} of them cut off)"} if silent else {}
    found = [state for state in STATES if counts[state]]
    return ", ".join(f"{counts[state]} {state}{notes.get(state, '')}" for state in found)


def describe_age(record: RunRecord) -> str:
    """Returns `3 h ago`, or a dash if the run was never active."""
    age = seconds_since_active(record)
    return "–" if age is None else format_age(age)


def describe_run(record: RunRecord) -> dict[str, object]:
    """Returns what the JSON of every command says about a run."""
    return {
        "path": str(record.path),
        "cell": record.cell,
        "seed": record.seed,
        "state": record.state,
        "silent": record.is_silent,
        "settings": dict(record.settings),
        "final": dict(record.summary.final) if record.summary else {},
        "heartbeat": record.heartbeat,
        "problems": list(record.problems),
    }
