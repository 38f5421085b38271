"""The two sides of a claim: which cells they are, and one number per seed out of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2, log10
from statistics import fmean

from bnexp.analysis.cells import Cell
from bnexp.analysis.metrics import better_direction, final_value, known_values
from bnexp.analysis.results import ClaimSide
from bnexp.analysis.stats.reductions import best_axis_value, largest_stable, slope, value_range
from bnexp.analysis.targets import Budget, find_budget
from bnexp.config.claim.cells import Variant, axis_value
from bnexp.config.claim.config import DIVERGED, TO_TARGET, ClaimConfig, ReductionConfig
from bnexp.runs.record import STATES, RunRecord

SCALES: Mapping[str, Callable[[float], float]] = {"linear": float, "log2": log2, "log10": log10}

Axis = Mapping[float, Cell]
"""The cells of one side by their place on the axis, in the axis's own unit."""


def find_cells(claim: ClaimConfig, side: str, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Returns the cells of the claim's `treatment` or `control`."""
    return tuple(cell for cell in cells if as_variant(cell).has(getattr(claim, side)))


def as_variant(cell: Cell) -> Variant:
    """Returns the cell as a claim looks at it."""
    return Variant(cell.label, cell.settings, cell.runs[0].config)


def measure_sides(claim: ClaimConfig, cells: Mapping[str, Sequence[Cell]]) -> dict[str, ClaimSide]:
    """Returns one number for each seed that has a figure in every cell of its side.

    `cells` are those of `treatment` and `control`. Times to a target are cut at the
    smallest budget of all runs of both, so that no side is given more time.
    """
    runs = [run for members in cells.values() for cell in members for run in cell.measured]
    budget = find_budget(claim, runs) if claim.metric in TO_TARGET else None
    return {side: _Measure(claim, budget).side(side, found) for side, found in cells.items()}


@dataclass(frozen=True)
class _Measure:
    claim: ClaimConfig
    budget: Budget | None

    def side(self, side: str, cells: Sequence[Cell]) -> ClaimSide:
        reduction, chosen, used = self.claim.reduction, None, cells
        axis = {} if reduction is None else _read_axis(cells, reduction)
        if reduction is None:
            values = self._plain(cells[0]) if len(cells) == 1 else {}
        elif reduction.name == "best":
            chosen = _choose(axis, reduction)
            used = cells if chosen is None else [axis[chosen]]
            values = {} if chosen is None else self._plain(axis[chosen])
        else:
            values = self._reduce(reduction, axis)
        runs = [run for cell in cells for run in cell.runs]
        return ClaimSide(
            wanted=getattr(self.claim, side),
            cells=tuple(cell.label for cell in cells),
            values=values,
            statuses={state: sum(run.state == state for run in runs) for state in STATES},
            axis_value=chosen,
            remarks=self._remarks(used, axis, values),
        )

    def _plain(self, cell: Cell) -> dict[int, float]:
        return known_values({run.seed: self._value(run) for run in cell.measured})

    def _value(self, run: RunRecord) -> float | None:
        """Returns what a run counts as, or None if it has no figure."""
        if self.claim.metric == DIVERGED:
            return float(run.state == "diverged") if run.summary else None
        if self.budget is not None:
            return self.budget.time_to_target(run)
        if run.state == "diverged":
            return self.claim.diverged_as
        return final_value(run, self.claim.metric)

    def _reduce(self, reduction: ReductionConfig, axis: Axis) -> dict[int, float]:
        by_place = {
            place: {run.seed: run for run in cell.measured} for place, cell in sorted(axis.items())
        }
        complete = set.intersection(*map(set, by_place.values())) if by_place else set()
        found = {
            seed: self._reduce_seed(
                reduction, {place: by_seed[seed] for place, by_seed in by_place.items()}
            )
            for seed in sorted(complete)
        }
        return known_values(found)

    def _reduce_seed(
        self, reduction: ReductionConfig, runs: Mapping[float, RunRecord]
    ) -> float | None:
        scale = SCALES[reduction.scale]
        if reduction.name == "largest_stable":
            largest = self._largest_stable(reduction, runs)
            return None if largest is None else scale(largest)
        points = [(scale(place), self._value(run)) for place, run in runs.items()]
        return value_range(points) if reduction.name == "range" else slope(points)

    def _largest_stable(
        self, reduction: ReductionConfig, runs: Mapping[float, RunRecord]
    ) -> float | None:
        """Returns the largest stable place, or a notch below the axis if none is stable."""
        finals = {
            place: None if run.state == "diverged" else final_value(run, self.claim.metric)
            for place, run in runs.items()
        }
        if any(finals[place] is None and run.state != "diverged" for place, run in runs.items()):
            return None  # finished without such a figure: neither stable nor unstable
        direction = better_direction(self.claim.metric) or 1
        largest = largest_stable(list(finals.items()), reduction.threshold, direction)
        return below_axis(list(runs)) if largest is None else largest

    def _remarks(
        self, cells: Sequence[Cell], axis: Axis, values: Mapping[int, float]
    ) -> tuple[str, ...]:
        reduction = self.claim.reduction
        if reduction is not None and reduction.name == "largest_stable":
            return _describe_ends(axis, reduction, values)
        runs = [run for cell in cells for run in cell.measured]
        if self.budget is not None:
            reached = sum(self.budget.has_reached(run) for run in runs)
            return (f"{reached} of {len(runs)} runs reached the target",)
        diverged = sum(run.state == "diverged" for run in runs)
        if not diverged or self.claim.metric == DIVERGED or self.claim.diverged_as is None:
            return ()
        return (f"{diverged} of {len(runs)} runs diverged and count as diverged_as",)


def below_axis(places: Sequence[float]) -> float:
    """Returns the value one notch, as a factor, below the smallest of the axis."""
    first, second = sorted(places)[:2]
    return first * first / second if first > 0 else first - (second - first)


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


def _describe_ends(
    axis: Axis, reduction: ReductionConfig, values: Mapping[int, float]
) -> tuple[str, ...]:
    """Says in how many seeds the end of the axis hides how far it goes."""
    if len(axis) < 2:
        return ()
    scale = SCALES[reduction.scale]
    ends = {
        "at the top of the axis": scale(max(axis)),
        "below the axis": scale(below_axis(list(axis))),
    }
    counts = {where: sum(value == end for value in values.values()) for where, end in ends.items()}
    return tuple(
        f"{where} in {count} of {len(values)} seeds" for where, count in counts.items() if count
    )
