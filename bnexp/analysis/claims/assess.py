"""Assesses the claims that were recorded with the runs before they began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bnexp.analysis.cells import Cell
from bnexp.analysis.claims.evidence import combine
from bnexp.analysis.claims.family import Attempt, Look, conclude
from bnexp.analysis.claims.obstacles import (
    find_obstacles,
    find_obstacles_at,
    find_obstacles_of,
    find_other_keys,
    find_unfinished,
)
from bnexp.analysis.claims.plans import ClaimPlan, find_plans, tuning_seeds, was_planned
from bnexp.analysis.claims.shown import show_runs
from bnexp.analysis.claims.sides import Sides, find_sides, find_used, measure_sides, runs_of
from bnexp.analysis.claims.tests import Looks, compare_sides
from bnexp.analysis.claims.tuned import find_tuned
from bnexp.analysis.diagnostics import find_layer_caveats
from bnexp.analysis.metrics import count_images
from bnexp.analysis.results import Caveat, ClaimPart, ClaimResult, ClaimSide
from bnexp.config.claim.cells import Case, find_cases
from bnexp.config.claim.config import ClaimConfig, read_claim
from bnexp.config.sweep.looks import FEWEST
from bnexp.runs.record import RunRecord
from bnexp.wording import count


def assess_claims(cells: Sequence[Cell], others: int = 0) -> tuple[ClaimResult, ...]:
    """Returns a verdict on every claim that the runs were begun with, in the config's order.

    Each claim is assessed on the cells of the experiment that made it, once for each plan that
    its runs were begun with. Holm's family is all that stood before its results, those that
    cannot be tested yet counted as not shown, so that a verdict is not taken back when others
    follow: at each look of an experiment that is looked at while it grows, and over all
    experiments at hand. `others` is how many more claims belong to it, of which nothing is known.
    """
    found = list(_find_attempts(cells))
    results = conclude([attempt for attempt, _ in found], others)
    return tuple(
        _show_runs(result, attempt.plan, sides)
        for result, (attempt, sides) in zip(results, found, strict=True)
    )


def show_results(cells: Sequence[Cell], results: Sequence[ClaimResult]) -> tuple[ClaimResult, ...]:
    """Returns results that were judged elsewhere with their cells, as `assess_claims` does.

    One whose runs are not at hand stays as it is.
    """
    sides = {
        (_tested(attempt.claim), attempt.plan.looks, len(attempt.plan.seeds)): (attempt.plan, found)
        for attempt, found in _find_attempts(cells)
    }
    found = ((one, sides.get(_find_key(one))) for one in results)
    return tuple(_show_runs(one, *known) if known else one for one, known in found)


def _find_key(result: ClaimResult) -> tuple[str, tuple[int, ...], int]:
    return _tested(result.claim), result.look.looks, result.look.most


def _tested(claim: ClaimConfig) -> str:
    """Returns what a claim tests, whatever words it is put in."""
    return claim.model_copy(
        update={"statement": "", "source": "", "published": None}
    ).model_dump_json()


def find_unreadable_claims(records: Sequence[RunRecord]) -> tuple[Caveat, ...]:
    """Returns one caveat if claims were recorded that cannot be read, else none."""
    unread = [claim for claim in _recorded(records) if read_claim(claim) is None]
    if not unread:
        return ()
    names = tuple(f"'{claim.get('statement', 'without a statement')}'" for claim in unread)
    subject = "claims that were recorded with the runs cannot be read, so they have no verdict"
    return (Caveat("unreadable claim", subject, names),)


def find_attempts(cells: Sequence[Cell]) -> Iterator[Attempt]:
    """Yields each claim of each experiment with each of its plans."""
    yield from (attempt for attempt, _ in _find_attempts(cells))


def _find_attempts(cells: Sequence[Cell]) -> Iterator[tuple[Attempt, tuple[Sides, ...]]]:
    for members in _by_experiment(cells):
        runs = [run for cell in members for run in cell.runs]
        for raw in _recorded(runs):
            claim = read_claim(raw)
            if claim is None:
                continue
            sides = tuple(find_sides(case, members) for case in find_cases(claim))
            own = [run for found in sides for run in runs_of(found)]
            for plan in find_plans(raw, own):
                yield _examine(claim, raw, plan, sides, len(members)), sides


def _show_runs(result: ClaimResult, plan: ClaimPlan, every: Sequence[Sides]) -> ClaimResult:
    """Returns the result with its cells, in the runs of the look that the verdict rests on."""
    seeds, tuning = plan.seeds_at(result.look.seeds), tuning_seeds(result.claim, plan)
    parts = tuple(
        show_runs(result.claim, part, sides, seeds, tuning)
        for part, sides in zip(result.parts, every, strict=True)
    )
    return replace(result, parts=parts)


def _examine(
    claim: ClaimConfig,
    raw: Mapping[str, Any],
    plan: ClaimPlan,
    sides: tuple[Sides, ...],
    num_cells: int,
) -> Attempt:
    cases = find_cases(claim)
    runs = [run for found in sides for run in runs_of(found, plan.seeds)]
    tuning = tuning_seeds(claim, plan)
    sizes = tuple(
        size for look in plan.looks if (size := len(plan.seeds_at(look) - tuning)) >= FEWEST
    )
    looks: list[Look] = []
    awaited: Caveat | None = None
    for number in plan.looks:
        unfinished = (find_unfinished(found, plan, number) for found in sides)
        awaited = next((one for one in unfinished if one), None)
        if awaited and looks:
            break
        looks.append(_look(claim, cases, sides, plan, number, sizes, num_cells, awaited))
        if awaited:
            break
    is_planned = all(was_planned(claim, raw, plan, run) for run in runs)
    is_recorded = all(run.claims_on_record is not None for run in runs)
    named = (run.cell for found in sides for run in runs_of(found))
    others = (key for found in sides for key in find_other_keys(claim, found))
    return Attempt(
        claim=claim,
        plan=plan,
        looks=tuple(looks),
        cells=tuple(dict.fromkeys(named)),
        is_planned=is_planned,
        awaited=awaited,
        images=_count_images(sides),
        also_differ=tuple(dict.fromkeys(others)),
        caveats=tuple(_find_caveats(claim, sides, is_planned, is_recorded)),
    )


def _look(
    claim: ClaimConfig,
    cases: Sequence[Case],
    sides: Sequence[Sides],
    plan: ClaimPlan,
    number: int,
    sizes: tuple[int, ...],
    num_cells: int,
    awaited: Caveat | None,
) -> Look:
    """Returns what a look shows: each pair of sides, tested if nothing forbids it."""
    seeds, tuning = plan.seeds_at(number), tuning_seeds(claim, plan)
    looks = Looks(sizes, len(seeds - tuning))
    parts: list[ClaimPart] = []
    obstacles: list[Caveat] = []
    for case, found in zip(cases, sides, strict=True):
        measured = measure_sides(claim, case, found, seeds, tuning)
        general = next(find_obstacles(claim, found, plan, num_cells), None)
        obstacle = general or awaited
        used = find_used(claim, found, measured)
        obstacle = obstacle or next(find_obstacles_at(claim, used, seeds, tuning), None)
        obstacle = obstacle or next(find_obstacles_of(claim, measured), None)
        treatment, control = measured["treatment"], measured["control"]
        test = None if obstacle else compare_sides(claim, treatment, control, looks)
        if test is None:
            obstacles.append(obstacle or _why_untested(claim, measured))
        parts.append(ClaimPart(treatment, control, test, case.choice))
    tests = [part.test for part in parts]
    evidence = combine(claim, [test for test in tests if test]) if all(tests) else None
    return Look(number, tuple(parts), evidence, obstacles[0] if obstacles else None)


def _count_images(every: Sequence[Sides]) -> tuple[int, int] | None:
    """Returns how many pictures the runs were trained and tested on, if that is one number each."""
    found = {
        (count_images(run, "train"), count_images(run, "test"))
        for sides in every
        for run in runs_of(sides)
    }
    train, test = found.pop() if len(found) == 1 else (None, None)
    return (train, test) if isinstance(train, int) and isinstance(test, int) else None


def _find_caveats(
    claim: ClaimConfig, every: Sequence[Sides], is_planned: bool, is_recorded: bool
) -> Iterator[Caveat]:
    if not is_planned:
        yield Caveat(
            "late claim",
            "the claim, with these seeds, was first seen when some of them had results",
            consequence="seeds that have none yet can confirm it (sweep.seeds: [100, 101, …])",
        )
    elif not is_recorded:
        yield Caveat(
            "unrecorded claim",
            "the runs folder has no record of when these runs had their results",
            consequence="that the claim stood before them rests on what the runs say themselves",
        )
    yield from find_tuned(every, claim.metric)
    for sides in every[:1]:
        groups = {
            side: [run for cell in cells for run in cell.finished] for side, cells in sides.items()
        }
        yield from find_layer_caveats(groups, claim.tags[0], claim.layers)


def _why_untested(claim: ClaimConfig, sides: Mapping[str, ClaimSide]) -> Caveat:
    for name, side in sides.items():
        if not side.values:
            return Caveat("no figure", f"no seed of the {name} has a figure")
    treatment, control = (sides[name].values.keys() for name in ("treatment", "control"))
    common = treatment & control
    if claim.paired and min(len(treatment), len(control)) >= FEWEST > len(common):
        return Caveat(
            "unpaired",
            f"the two sides have {count(len(common), 'seed') if common else 'no seed'} in common",
            consequence="a test of pairs takes three; `paired: false` compares the means",
        )
    if min(len(treatment), len(control)) >= FEWEST:
        reason = "each side has the same value in every seed, so there is no spread to test it by"
        return Caveat("untestable", reason)
    return Caveat(
        "untestable",
        f"a verdict takes at least {FEWEST} measured seeds on each side; bnexp plan says how many "
        "seeds that takes (sweep.seeds)",
    )


def _by_experiment(cells: Sequence[Cell]) -> list[list[Cell]]:
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.runs[0].experiment_folder, []).append(cell)
    return [*groups.values()]


def _recorded(runs: Sequence[RunRecord]) -> list[Mapping[str, Any]]:
    """Returns every claim that a run was begun with, each once."""
    found: list[Mapping[str, Any]] = []
    for run in runs:
        found += [claim for claim in run.claims if claim not in found]
    return found
