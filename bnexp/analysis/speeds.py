"""Whether the speed of two cells can be compared, or what came between them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from bnexp.analysis.cells import Cell
from bnexp.analysis.differences.confounds import differing_machine
from bnexp.analysis.differences.differing_keys import Reference
from bnexp.analysis.metrics import final_value
from bnexp.analysis.results import SpeedObstacle
from bnexp.runs.record import RunRecord

Runs = Reference[tuple[RunRecord, ...]]
"""Those of a cell; the baseline's are looked at with every other cell's."""

LARGEST_SPREAD = 1.2
"""The fastest run's images/s over the slowest's, beyond which a cell's speed says nothing."""


def find_speed_obstacle(cell: Cell, baseline: Cell, swept: Collection[str]) -> SpeedObstacle | None:
    """Returns why a ratio of the cells' speeds or times would mislead; None if it would not.

    Two cells can be compared if both have at least two finished runs, on the same machine,
    trained in turn, seed by seed, and none of them has runs that differ by more than 20 %.
    """
    if cell is baseline or not (cell.finished and baseline.finished):
        return None
    if min(len(cell.finished), len(baseline.finished)) < 2:
        return "few runs"
    if differing_machine((cell.finished, baseline.finished), swept):
        return "other machine"
    sides = Reference(cell.finished), Reference(baseline.finished)
    if not _took_turns(*sides):
        return "out of turn"
    return "unsteady" if any(map(_are_unsteady, sides)) else None


def were_beside_others(runs: Sequence[RunRecord]) -> bool:
    """Returns whether one of the runs trained while another did, one of these or one on record."""
    spans = sorted(span for run in runs if (span := _find_span(run)))
    overlap = any(end > start for (_, end), (start, _) in pairwise(spans))
    return overlap or any(run.was_beside_others for run in runs)


@functools.lru_cache(maxsize=4096)
def _are_unsteady(runs: Runs) -> bool:
    speeds = [final_value(run, "images_per_second") or 0.0 for run in runs.thing]
    return max(speeds) > LARGEST_SPREAD * min(speeds)


def _took_turns(runs: Runs, others: Runs) -> bool:
    """Returns whether no run of either came between two that share a seed.

    Runs that trained at the same time did not. A run whose start is unknown took no turn.
    """
    sides = (_find_spans(runs), _find_spans(others))
    known = sorted((*span, seed) for side in sides for seed, span in side.items() if span)
    if len(known) < sum(map(len, sides)):
        return False
    places: dict[int, list[int]] = {}
    for place, (_, _, seed) in enumerate(known):
        places.setdefault(seed, []).append(place)
    turns = [pair for pair in places.values() if len(pair) > 1]
    return bool(turns) and not any(_came_between(known, *pair) for pair in turns)


def _came_between(known: Sequence[tuple[datetime, datetime, int]], first: int, second: int) -> bool:
    """Returns whether a run began after the first and ended before the second one began."""
    start, end = known[first][0], known[second][0]
    return any(start < begun and ended < end for begun, ended, _ in known[first + 1 : second])


@functools.lru_cache(maxsize=4096)
def _find_spans(runs: Runs) -> dict[int, tuple[datetime, datetime] | None]:
    return {run.seed: _find_span(run) for run in runs.thing}


def _find_span(run: RunRecord) -> tuple[datetime, datetime] | None:
    """Returns when a run began and about when it ended, if it says so."""
    inherited = run.environment.get("extends.elapsed_seconds")
    seconds = (final_value(run, "elapsed_seconds") or 0.0) - float(inherited or 0.0)
    try:
        begun = datetime.fromisoformat(str(run.environment.get("created"))).astimezone()
        return begun, begun + timedelta(seconds=seconds)
    except (ValueError, OverflowError):  # no date, or one beyond the calendar
        return None
