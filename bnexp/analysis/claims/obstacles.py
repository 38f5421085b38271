"""What forbids a verdict on a claim, whatever its figures are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bnexp.analysis.cells import Cell, swept_keys
from bnexp.analysis.claims.sides import as_variant
from bnexp.analysis.confounds import confounding_keys, is_explained, unchecked_runs
from bnexp.analysis.differing_keys import is_below
from bnexp.analysis.results import Caveat
from bnexp.analysis.targets import find_budget
from bnexp.config.claim.cells import find_axis_mismatch
from bnexp.config.claim.config import DIVERGED, TO_TARGET, ClaimConfig
from bnexp.runs.record import RunRecord

Sides = Mapping[str, Sequence[Cell]]
"""The cells of `treatment` and `control`."""


def find_obstacles(
    claim: ClaimConfig, raw: Mapping[str, object], sides: Sides, num_cells: int
) -> Iterator[Caveat]:
    """Yields why no verdict can be given; what comes later takes for granted what came before.

    `raw` is the claim as it was recorded, `num_cells` how many cells of the experiment are
    at hand.
    """
    yield from _find_wrong_cells(claim, sides)
    runs = _runs_of(sides)
    yield from _find_late(raw, runs)
    yield from _find_unfinished(runs, sides)
    yield from _find_missing_cells(claim, runs, num_cells)
    yield from _find_confounds(claim, sides)
    yield from _find_diverged(claim, runs)
    yield from _find_unreached(claim, runs)


def find_added_seeds(sides: Sides) -> tuple[Caveat, ...]:
    """Returns a caveat if the runs were planned in several steps, else nothing."""
    plans = dict.fromkeys(plan for run in _runs_of(sides) if (plan := _planned_seeds(run)))
    if len(plans) < 2:
        return ()
    steps = tuple(" ".join(map(str, plan)) for plan in sorted(plans, key=len))
    consequence = (
        "if more are added because of what the first ones showed, verdicts are wrong more often "
        "than 5 %"
    )
    subject = f"the seeds were planned in {len(plans)} steps"
    return (Caveat("added seeds", subject, steps, consequence),)


def _runs_of(sides: Sides) -> list[RunRecord]:
    return [run for cells in sides.values() for cell in cells for run in cell.runs]


def _find_wrong_cells(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    for side, cells in sides.items():
        if not cells:
            reason = f"no run of the {side} has begun, or none is among those compared"
            yield Caveat("wrong cells", reason)
        if claim.reduction is None and len(cells) > 1:
            reason = f"the {side} is {len(cells)} cells, and the claim compares one with one"
            yield Caveat("wrong cells", reason)
    if claim.reduction is not None:
        variants = {side: [as_variant(cell) for cell in cells] for side, cells in sides.items()}
        for mismatch in find_axis_mismatch(claim.reduction, variants):
            yield Caveat("wrong cells", mismatch.reason)


def _find_late(raw: Mapping[str, object], runs: Sequence[RunRecord]) -> Iterator[Caveat]:
    if unknown := unchecked_runs(runs):
        yield Caveat(
            "unchecked",
            f"{len(unknown)} of {len(runs)} runs have no readable environment.json, so what was "
            "claimed when they began is unknown",
        )
    if late := [run for run in runs if raw not in run.claims]:
        yield Caveat(
            "late claim",
            f"{len(late)} of {len(runs)} runs did not begin with this claim as it now stands",
            consequence="a claim must be written before its runs (bnexp train --force runs them "
            "again)",
        )


def _find_unfinished(runs: Sequence[RunRecord], sides: Sides) -> Iterator[Caveat]:
    """Finds runs without a result, including those that were planned and have no folder."""
    planned = {seed for run in runs for seed in _planned_seeds(run)}
    cells = [cell for found in sides.values() for cell in found]
    missing = sum(len(planned - {run.seed for run in cell.runs}) for cell in cells)
    awaited = missing + sum(run.state not in ("finished", "diverged") for run in runs)
    if awaited:
        yield Caveat(
            "unfinished",
            f"{awaited} of {len(runs) + missing} planned runs have no result yet",
            consequence="a verdict waits for all, because repeated looks find effects by chance",
        )


def _find_missing_cells(
    claim: ClaimConfig, runs: Sequence[RunRecord], num_cells: int
) -> Iterator[Caveat]:
    planned = [run.environment.get("planned.cells") for run in runs]
    most = max((number for number in planned if isinstance(number, int)), default=0)
    if claim.reduction is not None and num_cells < most:
        yield Caveat(
            "wrong cells",
            f"the claim is about an axis, but only {num_cells} of the sweep's {most} cells are "
            "compared",
        )


def _find_confounds(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    treatment, control = (
        [run for cell in cells for run in cell.measured] for cells in sides.values()
    )
    swept = swept_keys([*treatment, *control])
    found = confounding_keys(treatment, control, swept, claim.metric)
    if keys := tuple(key for key in found if not is_explained(key, swept)):
        subject = "the two sides differ in more than the sweep"
        yield Caveat("confounded", subject, keys, "no causal verdict")


def _find_diverged(claim: ClaimConfig, runs: Sequence[RunRecord]) -> Iterator[Caveat]:
    counts_them = claim.metric == DIVERGED or claim.metric in TO_TARGET
    is_ceiling = claim.reduction is not None and claim.reduction.name in ("largest_stable", "best")
    diverged = [run for run in runs if run.state == "diverged"]
    if not diverged or counts_them or is_ceiling:
        return
    if claim.diverged_as is None:
        yield Caveat(
            "diverged",
            f"{len(diverged)} of {len(runs)} runs diverged, and the claim does not say what a "
            "diverged run counts as (claim.diverged_as)",
        )
    elif len(diverged) == len(runs):
        reason = "every run diverged, so diverged_as would be compared with itself"
        yield Caveat("diverged", reason)


def _find_unreached(claim: ClaimConfig, runs: Sequence[RunRecord]) -> Iterator[Caveat]:
    if claim.metric not in TO_TARGET:
        return
    budget = find_budget(claim, runs)
    if not budget.horizon:
        yield Caveat("no figure", "the number of steps per epoch is unknown for some runs")
    elif not any(budget.has_reached(run) for run in runs):
        reason = f"no run of either side reached {claim.target:g} within {budget.horizon:g}"
        yield Caveat("no figure", reason)


def _planned_seeds(run: RunRecord) -> tuple[int, ...]:
    return tuple(
        value
        for key, value in run.environment.items()
        if is_below(key, "planned.seeds") and isinstance(value, int)
    )
