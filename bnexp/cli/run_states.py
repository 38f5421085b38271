"""A run's state and age in words, as `ls`, `show` and `rm` write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bnexp.runs import STATES, RunRecord
from bnexp.runs.liveness import seconds_since_sign_of_life
from bnexp.wording import format_age


def describe_state(record: RunRecord) -> str:
    """Returns the state, and when a running run was last heard from.

    A run whose status says that it is running, but that nobody trains any more, was cut off.
    """
    if record.state != "running":
        return record.state
    age = seconds_since_sign_of_life(record)
    if record.is_silent:
        return "cut off" if age is None else f"cut off, last heard from {format_age(age)}"
    return f"running, heard from {format_age(age or 0.0)}"


def count_states(records: Sequence[RunRecord]) -> str:
    """Returns `2 running (1 of them cut off), 3 finished`."""
    counts = Counter(record.state for record in records)
    silent = sum(record.is_silent for record in records)
    notes = {"running": f" ({silent} of them cut off)"} if silent else {}
    found = [state for state in STATES if counts[state]]
    return ", ".join(f"{counts[state]} {state}{notes.get(state, '')}" for state in found)


def describe_age(record: RunRecord) -> str:
    """Returns `3 h ago`, or a dash if the run never showed that it lives."""
    age = seconds_since_sign_of_life(record)
    return "–" if age is None else format_age(age)
