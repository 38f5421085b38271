"""What the figure of a claim shows: its cells run by run, as the verdict counts them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import mean, stdev

from bnexp.analysis.cells import Cell
from bnexp.analysis.claims.sides import Measure, Sides, as_variant, build_measure, choose_runs
from bnexp.analysis.diagnostics import step_figures
from bnexp.analysis.metrics import epoch_values, known_values, other_statistics
from bnexp.analysis.results import Arrival, CellResult, ClaimCell, ClaimPart, ClaimSide
from bnexp.analysis.stats.intervals import t_interval
from bnexp.config.claim.cells import axis_value
from bnexp.config.claim.config import ClaimConfig
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import RunRecord, Series


def show_runs(
    claim: ClaimConfig,
    part: ClaimPart,
    sides: Sides,
    seeds: Collection[int],
    tuning: Collection[int],
) -> ClaimPart:
    """Returns the pair of sides with their cells, in those of the seeds that are measured."""
    measure = build_measure(claim, sides, seeds, tuning)

    def show(side: ClaimSide, cells: Sequence[Cell]) -> ClaimSide:
        return replace(side, shown=tuple(_show_cell(measure, cell) for cell in cells))

    treatment = show(part.treatment, sides["treatment"])
    return replace(part, treatment=treatment, control=show(part.control, sides.get("control", ())))


def _show_cell(measure: Measure, cell: Cell) -> ClaimCell:
    claim, runs = measure.claim, choose_runs(cell, measure.seeds)
    finished = [run for run in runs if run.state == "finished"]
    figures = {
        tag: known_values({run.seed: measure.figure_of(run, tag) for run in finished})
        for tag in claim.tags
    }
    values = _subtract([*figures.values()])
    numbers = [*values.values()]
    low, high = t_interval(numbers) or (None, None)
    return ClaimCell(
        CellResult(
            cell=cell.label,
            settings=cell.settings,
            values=values,
            mean=mean(numbers) if numbers else None,
            std=stdev(numbers) if len(numbers) > 1 else None,
            ci_low=low,
            ci_high=high,
            statuses={"finished": len(finished), "diverged": len(runs) - len(finished)},
            curves=_find_curves(claim, finished),
            diagnostics=_find_series(claim, finished or runs),
        ),
        _find_place(claim, cell),
        figures,
        frozenset(run.seed for run in runs if run.state == "diverged"),
        _find_arrivals(measure, runs),
    )


def _subtract(figures: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Returns the metric of each seed: the only tag, or the first minus the second."""
    first, *others = figures
    if not others:
        return dict(first)
    return {seed: value - others[0][seed] for seed, value in first.items() if seed in others[0]}


def _find_curves(
    claim: ClaimConfig, runs: Sequence[RunRecord]
) -> dict[str, dict[int, tuple[float, ...]]]:
    if len(claim.tags) < 2 or any(map(is_diagnostic, claim.tags)):
        return {}
    return {
        tag: {
            run.seed: curve
            for run in runs
            if run.summary and (curve := epoch_values(run.summary, tag))
        }
        for tag in (*claim.tags, *other_statistics(claim.tags))
    }


def _find_series(claim: ClaimConfig, runs: Sequence[RunRecord]) -> dict[str, dict[int, Series]]:
    if not all(map(is_diagnostic, claim.tags)):
        return {}
    found = {run.seed: step_figures(run, claim.tags, claim.layers) for run in runs}
    found = {seed: series for seed, series in found.items() if series.steps}
    return {claim.metric: found} if found else {}


def _find_place(claim: ClaimConfig, cell: Cell) -> float | None:
    if claim.reduction is None:
        return None
    place = axis_value(as_variant(cell), claim.reduction)
    return max(place, 0.0) if place and claim.reduction.name == "contrast" else place


def _find_arrivals(measure: Measure, runs: Sequence[RunRecord]) -> dict[int, Arrival]:
    budget = measure.budget
    if budget is None:
        return {}
    times = known_values({run.seed: budget.time_to_target(run) for run in runs})
    return {
        run.seed: Arrival(times[run.seed], budget.has_reached(run))
        for run in runs
        if run.seed in times
    }
