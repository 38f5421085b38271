"""The two sides of a claim: which cells they are, and one number per seed out of their runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, log2, log10
from statistics import fmean

from bnexp.analysis.cells import Cell
from bnexp.analysis.chance import has_failed
from bnexp.analysis.diagnostics import epoch_figures, final_figure
from bnexp.analysis.metrics import better_direction, epoch_values, final_value, known_values
from bnexp.analysis.results import ClaimSide
from bnexp.analysis.stats.reductions import best_axis_value, largest_stable, slope
from bnexp.analysis.targets import Budget, find_budget
from bnexp.config.claim.cells import Case, Variant, axis_value
from bnexp.config.claim.config import (
    DIVERGED,
    TO_TARGET,
    UNTRAINED,
    ClaimConfig,
    ReductionConfig,
)
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import STATES, RunRecord

SCALES: Mapping[str, Callable[[float], float]] = {"linear": float, "log2": log2, "log10": log10}

Axis = Mapping[float, Cell]
"""The cells of one side by their place on the axis, in the axis's own unit."""

Sides = Mapping[str, Sequence[Cell]]
"""The cells of `treatment` and, unless the claim is about a number, of `control`."""


def find_sides(case: Case, cells: Sequence[Cell]) -> dict[str, tuple[Cell, ...]]:
    """Returns the cells of the case's sides."""
    return {
        side: tuple(cell for cell in cells if as_variant(cell).has(wanted))
        for side, wanted in case.sides.items()
    }


def as_variant(cell: Cell) -> Variant:
    """Returns the cell as a claim looks at it."""
    return Variant(cell.label, cell.settings, cell.runs[0].config)


def runs_of(sides: Sides, seeds: Collection[int] | None = None) -> list[RunRecord]:
    """Returns the runs of both sides, or those with some of the seeds."""
    runs = [run for cells in sides.values() for cell in cells for run in cell.runs]
    return runs if seeds is None else [run for run in runs if run.seed in seeds]


def measure_sides(
    claim: ClaimConfig,
    case: Case,
    sides: Sides,
    seeds: Collection[int],
    tuning: Collection[int] = (),
) -> dict[str, ClaimSide]:
    """Returns one number for each of the seeds that has a figure in every cell of its side.

    With the `tuning` seeds axis values are chosen; they are not measured. Times to a target are
    cut at the smallest budget of all runs of both sides, so that no side is given more time.
    """
    measure = build_measure(claim, sides, seeds, tuning)
    found = {side: measure.side(case.sides[side], cells) for side, cells in sides.items()}
    if isinstance(claim.control, dict):
        return found
    values = dict.fromkeys(found["treatment"].values, measure.scale(claim.control))
    return {**found, "control": ClaimSide(wanted={}, cells=(), values=values, statuses={})}


def build_measure(
    claim: ClaimConfig, sides: Sides, seeds: Collection[int], tuning: Collection[int]
) -> Measure:
    """Returns what measures the runs of a claim's sides, within the budget that they share."""
    measured = frozenset(seeds) - frozenset(tuning)
    budget = None
    if claim.metric in TO_TARGET:
        by_side = {
            side: [run for cell in cells for run in choose_runs(cell, measured)]
            for side, cells in sides.items()
        }
        runs = [run for found in by_side.values() for run in found]
        budget = find_budget(claim, runs, by_side.get("control", ()))
    return Measure(claim, budget, measured, frozenset(tuning))


def find_used(claim: ClaimConfig, sides: Sides, measured: Mapping[str, ClaimSide]) -> Sides:
    """Returns the cells whose runs are measured: those at chosen axis values, else all."""
    if claim.reduction is None or not claim.is_choosing:
        return sides
    axes = {side: read_axis(cells, claim.reduction) for side, cells in sides.items()}
    return {
        side: [axis[place] for place in dict.fromkeys(measured[side].axis_values)]
        for side, axis in axes.items()
    }


@dataclass(frozen=True)
class Measure:
    """Takes the numbers of a claim out of its runs."""

    claim: ClaimConfig
    budget: Budget | None
    """For times to a target: the time that all runs share."""
    seeds: frozenset[int]
    """Those that are measured."""
    tuning: frozenset[int]
    """Those that choose axis values."""

    def side(self, wanted: Mapping[str, object], cells: Sequence[Cell]) -> ClaimSide:
        """Returns one side, with a number per seed."""
        reduction, used = self.claim.reduction, cells
        axis = {} if reduction is None else read_axis(cells, reduction)
        chosen: tuple[float, ...] = ()
        if reduction is None:
            values = self._plain(cells[0]) if len(cells) == 1 else {}
        elif reduction.name in ("best", "range"):
            chosen = self._choose(axis, reduction)
            used = [axis[place] for place in dict.fromkeys(chosen)]
            values = self._at_chosen(axis, chosen)
        else:
            values = self._reduce(reduction, axis)
        runs = [run for cell in cells for run in cell.runs if run.seed in self.seeds | self.tuning]
        return ClaimSide(
            wanted=wanted,  # type: ignore[arg-type]
            cells=tuple(cell.label for cell in cells),
            values=values,
            statuses={state: sum(run.state == state for run in runs) for state in STATES},
            axis_values=chosen,
            edges=self._find_edges(axis, chosen),
            spans=self._find_spans(used),
            remarks=self._remarks(used, axis, values),
        )

    def scale(self, value: float) -> float:
        """Returns a figure in the unit that differences are tested in."""
        return log(value) if self.claim.as_ == "ratio" else value

    def _plain(self, cell: Cell) -> dict[int, float]:
        return known_values({run.seed: self._value(run) for run in choose_runs(cell, self.seeds)})

    def _value(self, run: RunRecord) -> float | None:
        """Returns what a run counts as, or None if it has no figure."""
        if self.claim.metric in (DIVERGED, UNTRAINED):
            failed = run.state == "diverged" or (self.claim.metric == UNTRAINED and has_failed(run))
            return float(failed) if run.summary else None
        if self.budget is not None:
            return self.budget.time_to_target(run)
        value = self._figure(run) if run.state != "diverged" else self.claim.diverged_as
        if value is None or (self.claim.as_ == "ratio" and value <= 0):
            return None
        return self.scale(value)

    def _figure(self, run: RunRecord) -> float | None:
        figures = [self.figure_of(run, tag) for tag in self.claim.tags]
        known = [value for value in figures if value is not None]
        if len(known) < len(figures):
            return None
        return known[0] - (known[1] if len(known) > 1 else 0.0)

    def figure_of(self, run: RunRecord, tag: str) -> float | None:
        """Returns one tag of the metric, when the claim takes it; None if a run has no such."""
        at, layers = self.claim.at, self.claim.layers
        if run.summary is None:
            return None
        if at is None:
            return final_figure(run, tag, layers) if is_diagnostic(tag) else final_value(run, tag)
        values = (
            epoch_figures(run, tag, layers)
            if is_diagnostic(tag)
            else epoch_values(run.summary, tag)
        )
        value = values[at.epoch - 1] if at.epoch <= len(values) else None
        return value if value == value else None

    def _choose(self, axis: Axis, reduction: ReductionConfig) -> tuple[float, ...]:
        """Returns the places that the tuning seeds choose: the best, and for a range the worst."""
        direction = better_direction(reduction.select_by) or 1
        means = {place: self._selecting_mean(cell, reduction) for place, cell in axis.items()}
        best = best_axis_value(means, direction)
        if best is None:
            return ()
        if reduction.name == "best":
            return (best,)
        diverged = sorted(place for place, mean in means.items() if mean is None)
        worst = diverged[0] if diverged else best_axis_value(means, -direction)
        return () if worst is None else (best, worst)

    def _selecting_mean(self, cell: Cell, reduction: ReductionConfig) -> float | None:
        """Returns the mean of the selecting metric; None if a run diverged or has no figure."""
        runs = choose_runs(cell, self.tuning)
        known = [
            value
            for run in runs
            if run.state != "diverged"
            and (value := final_value(run, reduction.select_by)) is not None
        ]
        return fmean(known) if known and len(known) == len(runs) else None

    def _find_edges(self, axis: Axis, chosen: Sequence[float]) -> tuple[float, ...]:
        """Returns the best place, if it is an end of the axis: of a range that is no matter."""
        is_best = self.claim.reduction is not None and self.claim.reduction.name == "best"
        return tuple(place for place in chosen if is_best and place in (min(axis), max(axis)))

    def _at_chosen(self, axis: Axis, chosen: Sequence[float]) -> dict[int, float]:
        if not chosen:
            return {}
        best, *rest = [self._plain(axis[place]) for place in chosen]
        if not rest:
            return best
        return {seed: best[seed] - rest[0][seed] for seed in best if seed in rest[0]}

    def _reduce(self, reduction: ReductionConfig, axis: Axis) -> dict[int, float]:
        by_place = {
            place: {run.seed: run for run in choose_runs(cell, self.seeds)}
            for place, cell in sorted(axis.items())
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
        if reduction.name == "contrast":
            value, minus = (
                self._value(runs[place]) if place in runs else None for place in (1, -1)
            )
            return None if value is None or minus is None else value - minus
        scale = SCALES[reduction.scale]
        if reduction.name == "largest_stable":
            largest = self._largest_stable(reduction, runs)
            return None if largest is None else scale(largest)
        return slope([(scale(place), self._value(run)) for place, run in runs.items()])

    def _largest_stable(
        self, reduction: ReductionConfig, runs: Mapping[float, RunRecord]
    ) -> float | None:
        """Returns the largest stable place, or a notch below the axis if none is stable."""
        finals = {
            place: None if run.state == "diverged" else self._figure(run)
            for place, run in runs.items()
        }
        if any(finals[place] is None and run.state != "diverged" for place, run in runs.items()):
            return None  # finished without such a figure: neither stable nor unstable
        direction = better_direction(self.claim.metric) or 1
        largest = largest_stable(list(finals.items()), reduction.threshold, direction)
        return below_axis(list(runs)) if largest is None else largest

    def _find_spans(self, cells: Sequence[Cell]) -> dict[int, tuple[float, float]]:
        if self.budget is None:
            return {}
        runs = [run for cell in cells for run in choose_runs(cell, self.seeds)]
        spans = {run.seed: self.budget.find_span(run) for run in runs}
        return {seed: (span.low, span.high) for seed, span in spans.items() if span}

    def _remarks(
        self, cells: Sequence[Cell], axis: Axis, values: Mapping[int, float]
    ) -> tuple[str, ...]:
        reduction = self.claim.reduction
        if reduction is not None and reduction.name == "largest_stable":
            return _describe_ends(axis, reduction, values)
        runs = [run for cell in cells for run in choose_runs(cell, self.seeds)]
        if self.budget is not None:
            reached = sum(self.budget.has_reached(run) for run in runs)
            return (f"{reached} of {len(runs)} runs reached the target",)
        return tuple(_describe_failed(runs, self.claim))


def choose_runs(cell: Cell, seeds: Collection[int]) -> list[RunRecord]:
    """Returns the runs of a cell that finished or diverged, of these seeds."""
    return [run for run in cell.measured if run.seed in seeds]


def _describe_failed(runs: Sequence[RunRecord], claim: ClaimConfig) -> Iterator[str]:
    """Yields how many runs diverged, and how many others learnt nothing."""
    diverged = sum(run.state == "diverged" for run in runs)
    stuck = sum(has_failed(run) for run in runs) - diverged
    if diverged and claim.metric != DIVERGED and claim.diverged_as is not None:
        yield f"{diverged} of {len(runs)} runs diverged and count as diverged_as"
    if stuck and claim.is_score:
        yield f"{stuck} of {len(runs)} runs ended at chance"


def below_axis(places: Sequence[float]) -> float:
    """Returns the value one notch, as a factor, below the smallest of the axis."""
    first, second = sorted(places)[:2]
    return first * first / second if first > 0 else first - (second - first)


def read_axis(cells: Sequence[Cell], reduction: ReductionConfig) -> Axis:
    """Returns the cells by their place on the reduction's axis."""
    places = [(axis_value(as_variant(cell), reduction), cell) for cell in cells]
    return {place: cell for place, cell in places if place is not None}


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
