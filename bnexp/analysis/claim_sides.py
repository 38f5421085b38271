"""The two sides of a claim: which cells they are, and one number a seed out of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2, log10
from statistics import fmean

from bnexp.analysis.cells import Cell
from bnexp.analysis.metrics import better_direction, final_value, first_epoch, planned_epochs
from bnexp.analysis.reductions import best_axis_value, largest_stable, slope, value_range
from bnexp.analysis.results import ClaimSide
from bnexp.config.claim import (
    DIVERGED,
    TO_TARGET,
    ClaimConfig,
    ReductionConfig,
    Variant,
    axis_value,
)
from bnexp.runs.record import STATES, RunRecord

TARGET_METRIC = "test/accuracy"
"""What `epochs_to_target` and `steps_to_target` wait for."""

SCALES: Mapping[str, Callable[[float], float]] = {"linear": float, "log2": log2, "log10": log10}

Axis = Mapping[float, Cell]
"""The cells of one side by their place on the axis, in the axis's own unit."""


def find_cells(claim: ClaimConfig, side: str, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Returns the cells of the claim's `treatment` or `control`."""
    return tuple(cell for cell in cells if as_variant(cell).has(getattr(claim, side)))


def as_variant(cell: Cell) -> Variant:
    """Returns the cell as a claim looks at it."""
    return Variant(cell.label, cell.settings, cell.runs[0].config)


def measure_side(claim: ClaimConfig, side: str, cells: Sequence[Cell]) -> ClaimSide:
    """Returns one number for each seed that has a figure in every cell of the side."""
    reduction = claim.reduction
    chosen = None
    if reduction is None:
        values = _plain_values(claim, cells[0]) if len(cells) == 1 else {}
    else:
        axis = _read_axis(cells, reduction)
        if reduction.name == "best":
            chosen = _choose(axis, reduction)
            values = {} if chosen is None else _plain_values(claim, axis[chosen])
        else:
            values = _reduce(claim, reduction, axis)
    runs = [run for cell in cells for run in cell.runs]
    return ClaimSide(
        wanted=getattr(claim, side),
        cells=tuple(cell.label for cell in cells),
        values=values,
        statuses={state: sum(run.state == state for run in runs) for state in STATES},
        axis_value=chosen,
    )


def run_value(claim: ClaimConfig, run: RunRecord) -> float | None:
    """Returns what a run counts as, or None where it has no figure.

    A run that never reached the target counts as the epochs (or steps) that it was to
    have, which makes the mean a restricted one.
    """
    if claim.metric == DIVERGED:
        return float(run.state == "diverged") if run.summary else None
    if claim.metric in TO_TARGET:
        return _time_to_target(claim, run)
    if run.state == "diverged":
        return claim.diverged_as
    return final_value(run, claim.metric)


def _time_to_target(claim: ClaimConfig, run: RunRecord) -> float | None:
    if run.summary is None or claim.target is None:
        return None
    first = first_epoch(run.summary, TARGET_METRIC, claim.target)
    epochs = planned_epochs(run, run.summary) if first is None else first
    if claim.metric == "epochs_to_target":
        return float(epochs)
    return epochs * run.summary.steps / max(1, run.summary.epochs)


def _plain_values(claim: ClaimConfig, cell: Cell) -> dict[int, float]:
    found = {run.seed: run_value(claim, run) for run in cell.measured}
    return {seed: value for seed, value in found.items() if value is not None}


def _read_axis(cells: Sequence[Cell], reduction: ReductionConfig) -> Axis:
    places = [(axis_value(as_variant(cell), reduction), cell) for cell in cells]
    return {place: cell for place, cell in places if place is not None}


def _choose(axis: Axis, reduction: ReductionConfig) -> float | None:
    """Returns the axis value with the best mean of the selecting metric.

    A value at which a run diverged is no choice.
    """
    means = {place: _selecting_mean(cell, reduction.select_by) for place, cell in axis.items()}
    return best_axis_value(means, better_direction(reduction.select_by) or 1)


def _selecting_mean(cell: Cell, metric: str) -> float | None:
    values = [final_value(run, metric) for run in cell.measured]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _reduce(claim: ClaimConfig, reduction: ReductionConfig, axis: Axis) -> dict[int, float]:
    by_cell = {
        place: {run.seed: run for run in cell.measured} for place, cell in sorted(axis.items())
    }
    complete = set.intersection(*(set(runs) for runs in by_cell.values())) if by_cell else set()
    scale = SCALES[reduction.scale]
    found = {}
    for seed in sorted(complete):
        runs = {place: by_seed[seed] for place, by_seed in by_cell.items()}
        value = _reduce_seed(claim, reduction, runs, scale)
        if value is not None:
            found[seed] = value
    return found


def _reduce_seed(
    claim: ClaimConfig,
    reduction: ReductionConfig,
    runs: Mapping[float, RunRecord],
    scale: Callable[[float], float],
) -> float | None:
    if reduction.name == "largest_stable":
        finals = [
            (place, None if run.state == "diverged" else final_value(run, claim.metric))
            for place, run in runs.items()
        ]
        sign = better_direction(claim.metric) or 1
        largest = largest_stable(finals, reduction.threshold, sign)
        # No stable value at all: one notch below the axis is the most that is known.
        return scale(_below(list(runs)) if largest is None else largest)
    points = [(scale(place), run_value(claim, run)) for place, run in runs.items()]
    return value_range(points) if reduction.name == "range" else slope(points)


def _below(places: Sequence[float]) -> float:
    """Returns the value one notch, as a factor, below the smallest of the axis."""
    first, second = sorted(places)[:2]
    return first * first / second if first > 0 else first - (second - first)
