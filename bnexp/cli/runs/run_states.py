"""A run's state and age, as `ls`, `show` and `rm` write them in words and in JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bnexp.wording import format_age

if TYPE_CHECKING:
    from bnexp.runs import RunRecord

CUT_OFF = "cut off"


def seconds_since_active(record: RunRecord) -> float | None:
    """Returns how long ago the run's process last renewed its heartbeat; None if it never did."""
    return max(0.0, time.time() - record.heartbeat) if record.heartbeat else None


def name_state(record: RunRecord) -> str:
    """Returns the state; a run whose status says running but whose process has died was cut off."""
    return CUT_OFF if record.is_silent else record.state


def describe_state(record: RunRecord) -> str:
    """Returns the state, and when a running or cut-off run was last active."""
    name = name_state(record)
    age = seconds_since_active(record)
    if record.state != "running" or age is None:
        return name
    return f"{name}, last active {format_age(age)}"


def count_states(records: Sequence[RunRecord]) -> str:
    """Returns `1 running, 1 cut off, 3 finished`."""
    from bnexp.runs import STATES

    counts = Counter(name_state(record) for record in records)
    names = [
        name for state in STATES for name in ((state, CUT_OFF) if state == "running" else (state,))
    ]
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name])


def tally_states(records: Sequence[RunRecord]) -> dict[str, int]:
    """Returns how many runs are in each state, for JSON."""
    from bnexp.runs import STATES

    return dict(Counter(sorted((record.state for record in records), key=STATES.index)))


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
        "problems": list(record.all_problems),
    }
