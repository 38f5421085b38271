"""Whether the speed of two cells can be compared, or what came between them."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from bnexp.analysis.cells import Cell
from bnexp.analysis.confounds import differing_machine
from bnexp.analysis.metrics import final_value
from bnexp.analysis.results import SpeedObstacle
from bnexp.runs.record import RunRecord

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
    if not _took_turns(cell.finished, baseline.finished):
        return "out of turn"
    return "unsteady" if _is_unsteady(cell) or _is_unsteady(baseline) else None


def were_beside_others(runs: Sequence[RunRecord]) -> bool:
    """Returns whether one of the runs trained while another did, one of these or one on record."""
    spans = sorted(span for run in runs if (span := _find_span(run)))
    overlap = any(end > start for (_, end), (start, _) in pairwise(spans))
    return overlap or any(run.was_beside_others for run in runs)


def _is_unsteady(cell: Cell) -> bool:
    speeds = [final_value(run, "images_per_second") or 0.0 for run in cell.finished]
    return max(speeds) > LARGEST_SPREAD * min(speeds)


def _took_turns(runs: Sequence[RunRecord], others: Sequence[RunRecord]) -> bool:
    """Returns whether no run of either came between two that share a seed.

    Runs that trained at the same time did not. A run whose start is unknown took no turn.
    """
    sides = [{run.seed: _find_span(run) for run in side} for side in (runs, others)]
    known = sorted(span for spans in sides for span in spans.values() if span)
    common = sides[0].keys() & sides[1].keys()
    if not common or len(known) < sum(map(len, sides)):
        return False
    starts = [sorted(span[0] for spans in sides if (span := spans[seed])) for seed in common]
    begun = [start for start, _ in known]
    return not any(
        end < second
        for first, second in starts
        for _, end in known[bisect_right(begun, first) : bisect_left(begun, second)]
    )


def _find_span(run: RunRecord) -> tuple[datetime, datetime] | None:
    """Returns when a run began and about when it ended, if it says so."""
    inherited = run.environment.get("extends.elapsed_seconds")
    seconds = (final_value(run, "elapsed_seconds") or 0.0) - float(inherited or 0.0)
    return _compute_span(str(run.environment.get("created")), seconds)


@functools.lru_cache(maxsize=4096)  # the baseline's runs are asked with every cell
def _compute_span(created: str, seconds: float) -> tuple[datetime, datetime] | None:
    try:
        begun = datetime.fromisoformat(created).astimezone()
        return begun, begun + timedelta(seconds=seconds)
    except (ValueError, OverflowError):  # no date, or one beyond the calendar
        return None
