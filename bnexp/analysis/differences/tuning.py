"""How the values of tuned keys were chosen for a run, read from what it recorded."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from bnexp.analysis.differences.differing_keys import is_below
from bnexp.analysis.results import Trial, Tuning
from bnexp.runs.record import RunRecord, Scalar, find_value, flatten, unflatten

_ROOT = "tuning"


def read_tuning(run: RunRecord) -> Tuning | None:
    """Returns how a run's values were tuned; None if they were not, or nobody can read how."""
    if f"{_ROOT}.by" not in run.environment:
        return None  # thousands of runs are asked
    found = {
        key.removeprefix(f"{_ROOT}."): value
        for key, value in run.environment.items()
        if is_below(key, _ROOT)
    }
    return _parse(tuple(found.items()))


@functools.lru_cache(maxsize=4096)
def _parse(flat: tuple[tuple[str, Scalar], ...]) -> Tuning | None:
    parts = dict(flat)
    try:
        return Tuning(
            over=_read_axes(parts),
            by=str(parts["by"]),
            seeds=tuple(
                int(value) for value in _below(parts, "seeds").values() if value is not None
            ),
            arm={key: value for key, value in _below(parts, "arm").items() if key},
            each={key: value for key, value in _below(parts, "each").items() if key},
            chosen=_below(parts, "chosen"),
            at_edge=tuple(str(one) for key, one in _below(parts, "at_edge").items() if key),
            trials=tuple(_read_trial(one) for one in unflatten(_below(parts, "scores"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _below(parts: Mapping[str, Scalar], root: str) -> dict[str, Scalar]:
    return {
        key.removeprefix(root).removeprefix("."): value
        for key, value in parts.items()
        if is_below(key, root)
    }


def _read_axes(parts: Mapping[str, Scalar]) -> dict[str, tuple[Scalar, ...]]:
    axes: dict[str, tuple[Scalar, ...]] = {}
    for place, value in _below(parts, "over").items():
        key = place.rpartition(".")[0]
        axes[key] = (*axes.get(key, ()), value)
    return axes


def _read_trial(score: Mapping[str, Any]) -> Trial:
    return Trial(flatten(score["values"]), score["mean"], int(score["n"]), int(score["diverged"]))


def find_tuned_keys(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Returns the keys that all runs tuned over the same values, by the same measure and seeds.

    A difference in them is part of what is compared: each cell at its best. If several norms, say,
    were tuned in one place of an axis, that holds if their cells stand at the same places.
    """
    first: Tuning | None = None
    places: dict[tuple[Scalar, ...], set[tuple[Scalar, ...]]] = {}
    for run in (run for run in runs if run.environment):
        tuning = read_tuning(run)
        first = first or tuning
        if first is None or tuning is None or tuning.design != first.design:
            return ()
        if tuning.each:
            place = tuple(find_value(key, run.settings, run.config) for key in tuning.arm)
            places.setdefault(tuple(tuning.each.values()), set()).add(place)
    is_fair = len({frozenset(found) for found in places.values()}) < 2
    return tuple(first.over) if first and is_fair else ()


def group_by_tuning(cells: Mapping[str, Iterable[RunRecord]]) -> list[tuple[Tuning, list[str]]]:
    """Returns each tuning that runs rest on, with the cells that it was for, in their order."""
    groups: dict[str, tuple[Tuning, list[str]]] = {}
    for label, runs in cells.items():
        found = [tuning for run in runs if (tuning := read_tuning(run))]
        if found:
            # Each by itself, two cells may have tried the same and found the same, yet apart.
            key = repr(found[0]) if found[0].shares else label
            groups.setdefault(key, (found[0], []))[1].append(label)
    return [*groups.values()]
