"""What forbids a verdict on a claim, whatever its figures are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from math import inf

from bnexp.analysis.cells import Cell, swept_keys
from bnexp.analysis.chance import has_failed, is_at_chance
from bnexp.analysis.claims.plans import ClaimPlan
from bnexp.analysis.claims.sides import Sides, as_variant, runs_of
from bnexp.analysis.differences.confounds import confounding_keys, is_explained, unchecked_runs
from bnexp.analysis.differences.tuning import find_tuned_keys, read_tuning
from bnexp.analysis.metrics import split_tag
from bnexp.analysis.results import Caveat, ClaimSide, SpeedObstacle
from bnexp.analysis.speeds import find_speed_obstacle, were_beside_others
from bnexp.config.claim.cells import find_axis_mismatch, find_named_keys
from bnexp.config.claim.config import SHARES, TIMES, TO_TARGET, ClaimConfig
from bnexp.runs.record import RunRecord

_SPEED_OBSTACLES: Mapping[SpeedObstacle, str] = {
    "few runs": "a side has fewer than two finished runs",
    "other machine": "the runs were not made on the same machine",
    "out of turn": "the two sides were not trained in turn, seed by seed",
    "unsteady": "the speeds of one side differ by more than 20 %",
}


def find_obstacles(
    claim: ClaimConfig, sides: Sides, plan: ClaimPlan, num_cells: int
) -> Iterator[Caveat]:
    """Yields why no look can give a verdict; later ones take for granted what came before.

    `num_cells` is how many cells of the experiment are at hand.
    """
    yield from _find_wrong_cells(claim, sides)
    yield from _find_missing_cells(claim, runs_of(sides, plan.seeds), num_cells)


def find_obstacles_at(
    claim: ClaimConfig, sides: Sides, seeds: Collection[int], tuning: Collection[int]
) -> Iterator[Caveat]:
    """Yields why a look at these seeds gives no verdict, whatever later ones will see.

    The sides are the cells that are measured: of a chosen axis value, those alone.
    """
    seen = {side: [_at_seeds(cell, seeds) for cell in cells] for side, cells in sides.items()}
    yield from _find_unchecked(runs_of(seen))
    yield from _find_confounds(claim, seen)
    measured = {
        side: [_at_seeds(cell, {*seeds} - {*tuning}) for cell in cells]
        for side, cells in sides.items()
    }
    yield from _find_diverged(claim, measured)
    yield from _find_untrained(claim, measured)
    yield from _find_wrong_times(claim, seen)


def find_obstacles_of(claim: ClaimConfig, sides: Mapping[str, ClaimSide]) -> Iterator[Caveat]:
    """Yields why the figures of the two sides give no verdict."""
    if claim.metric in TO_TARGET and all(side.spans for side in sides.values()):
        ends = [high for side in sides.values() for _, high in side.spans.values()]
        if all(end == inf for end in ends):
            reason = "no run of either side reached the target"
            yield Caveat("no figure", reason)
    for name, side in sides.items():
        if side.edges:
            places = ", ".join(f"{place:g}" for place in side.edges)
            reduction = claim.reduction
            axis = reduction.over if reduction else "the axis"
            yield Caveat(
                "at the edge",
                f"the best {axis} of the {name} is {places}, at an end of the axis",
                consequence="a better one may lie beyond; widen the axis",
            )


def find_unfinished(sides: Sides, plan: ClaimPlan, look: int) -> Caveat | None:
    """Returns which runs of a look have no result, those that have no folder included."""
    seeds = plan.seeds_at(look)
    runs = runs_of(sides, seeds)
    cells = [cell for found in sides.values() for cell in found]
    missing = 0
    if plan.is_recorded:
        missing = sum(len(seeds - {run.seed for run in cell.runs}) for cell in cells)
    awaited = missing + sum(run.state not in ("finished", "diverged") for run in runs)
    if not awaited:
        return None
    return Caveat(
        "unfinished",
        f"{awaited} of {len(runs) + missing} planned runs have no result yet",
        consequence="a verdict waits for all, because repeated looks find effects by chance",
    )


def find_other_keys(claim: ClaimConfig, sides: Sides) -> tuple[str, ...]:
    """Returns the swept keys that differ between the sides, though the claim is not about them."""
    if len(sides) < 2:
        return ()
    named = find_named_keys(claim) - {*claim.allow}
    keys = {key: None for cells in sides.values() for cell in cells for key in cell.settings}
    values = {
        key: [{as_variant(cell).settings.get(key) for cell in cells} for cells in sides.values()]
        for key in keys
        if not is_explained(key, named)
    }
    return tuple(key for key, (treatment, control) in values.items() if treatment != control)


def _find_wrong_cells(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    for side, cells in sides.items():
        if not cells:
            reason = f"no run of the {side} has begun, or none is among those compared"
            yield Caveat("wrong cells", reason)
        if claim.reduction is None and len(cells) > 1:
            reason = f"the {side} is {len(cells)} cells, and the claim compares one with one"
            yield Caveat("wrong cells", reason)
    if claim.reduction is not None and len(sides) > 1:
        variants = {side: [as_variant(cell) for cell in cells] for side, cells in sides.items()}
        for mismatch in find_axis_mismatch(claim.reduction, variants):
            yield Caveat("wrong cells", mismatch.reason)


def _find_unchecked(runs: Sequence[RunRecord]) -> Iterator[Caveat]:
    if unknown := unchecked_runs(runs):
        yield Caveat(
            "unchecked",
            f"{len(unknown)} of {len(runs)} runs have no readable environment.json, so what was "
            "claimed when they began is unknown",
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
    """Finds what else may explain a difference, besides the keys that the claim speaks of."""
    if len(sides) < 2:
        return
    treatment, control = (
        [run for cell in cells for run in cell.measured] for cells in sides.values()
    )
    swept = swept_keys([*treatment, *control])
    tunings = [tuning for run in (*treatment, *control) if (tuning := read_tuning(run))]
    found = confounding_keys(treatment, control, [*swept, *claim.allow], claim.tags[0])
    others = [key for key in find_other_keys(claim, sides) if not is_explained(key, claim.allow)]
    expected = [*swept, *claim.allow, *_find_tuned_for_each(sides)]
    unplanned = [key for key in found if not is_explained(key, expected)]
    keys = dict.fromkeys((*others, *unplanned))
    if keys:
        are = "these keys" if len(keys) > 1 else "this key"
        yield Caveat(
            "confounded",
            "the two sides differ in more than the claim names",
            tuple(keys),
            f"{are} may be the cause; name what may differ under `allow`",
        )
    if edges := dict.fromkeys(key for tuning in tunings for key in tuning.at_edge):
        yield Caveat(
            "at the edge",
            "the best value that tuning found lies at an end of what it tried",
            tuple(edges),
            "a better one may lie beyond; widen sweep.tune.over",
        )


def _find_tuned_for_each(sides: Sides) -> list[str]:
    """Returns the keys that were tuned alike for all cells, and have one value in each of them."""
    cells = [
        [run for run in cell.measured if run.config] for found in sides.values() for cell in found
    ]
    tuned = find_tuned_keys(run for runs in cells for run in runs)
    return [
        key
        for key in tuned
        if all(len({run.config.get(key) for run in runs}) < 2 for runs in cells)
    ]


def _find_diverged(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    runs = [run for cells in sides.values() for cell in cells for run in cell.measured]
    is_ceiling = claim.reduction is not None and claim.reduction.name == "largest_stable"
    diverged = [run for run in runs if run.state == "diverged"]
    if not diverged or claim.metric in (*SHARES, *TO_TARGET):
        return
    if claim.diverged_as is None and not is_ceiling:
        yield Caveat(
            "diverged",
            f"{len(diverged)} of {len(runs)} runs diverged, and the claim does not say what a "
            "diverged run counts as (claim.diverged_as)",
        )
    elif len(diverged) == len(runs):
        reason = "every run diverged, so diverged_as would be compared with itself"
        yield Caveat("diverged", reason)


def _find_untrained(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    """Finds sides that learnt nothing, or cells whose runs are of two kinds."""
    if not claim.is_score or claim.at is not None:
        return
    images = split_tag(claim.tags[0])[0]
    runs = [run for cells in sides.values() for cell in cells for run in cell.measured]
    # Beside a number, networks that learnt nothing are an answer too.
    if runs and not claim.is_against_number and all(is_at_chance(run, images) for run in runs):
        every = "both" if len(runs) == 2 else f"all {len(runs)}"
        yield Caveat(
            "untrained",
            f"neither side trained: {every} runs ended at chance",
            consequence="nothing can be compared; train longer, or at another learning rate",
        )
        return
    for side, cells in sides.items():
        for cell in cells:
            failed = sum(has_failed(run, images) for run in cell.measured)
            if 0 < failed < len(cell.measured):
                yield Caveat(
                    "untrained",
                    f"{failed} of {len(cell.measured)} runs of the {side} diverged or ended at "
                    "chance",
                    consequence="a mean of such runs and of those that trained misleads, and so "
                    "does a t test; claim the share instead (metric: untrained)",
                )


def _find_wrong_times(claim: ClaimConfig, sides: Sides) -> Iterator[Caveat]:
    """Finds why times are not to be judged.

    A machine whose speed wanders slows both runs of a pair, and the spread of the pairs' ratios
    is in the claim's interval; without pairs, it may have slowed one side only.
    """
    if claim.metric not in TIMES:
        return
    swept = swept_keys(runs_of(sides))
    pairs = product(sides["treatment"], sides.get("control", ()))
    found = (find_speed_obstacle(treatment, control, swept) for treatment, control in pairs)
    reasons = [
        _SPEED_OBSTACLES[obstacle]
        for obstacle in found
        if obstacle and not (obstacle == "unsteady" and claim.paired)
    ]
    if were_beside_others([run for run in runs_of(sides) if run.state == "finished"]):
        reasons.append("runs were trained at the same time, or beside others")
    if reasons:
        consequence = "train them with one job, and nothing else beside them"
        reason = f"{claim.metric} cannot be judged: {reasons[0]}"
        yield Caveat("untestable", reason, consequence=consequence)


def _at_seeds(cell: Cell, seeds: Collection[int]) -> Cell:
    return Cell(cell.label, cell.settings, tuple(run for run in cell.runs if run.seed in seeds))
