"""Assesses the claims that were recorded with the runs before they began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bnexp.analysis.cells import Cell
from bnexp.analysis.claims.evidence import Evidence, combine, correct
from bnexp.analysis.claims.obstacles import (
    find_obstacles,
    find_obstacles_at,
    find_obstacles_of,
    find_other_keys,
    find_tuned,
    find_unfinished,
)
from bnexp.analysis.claims.plans import ClaimPlan, find_plans, tuning_seeds, was_planned
from bnexp.analysis.claims.sides import Sides, find_sides, find_used, measure_sides, runs_of
from bnexp.analysis.claims.tests import Looks, compare_sides, count_seeds_needed
from bnexp.analysis.diagnostics import find_layer_caveats
from bnexp.analysis.metrics import count_train_images
from bnexp.analysis.results import (
    Caveat,
    ClaimLook,
    ClaimPart,
    ClaimResult,
    ClaimSide,
    ClaimVerdict,
)
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.config.claim.cells import Case, find_cases
from bnexp.config.claim.config import ClaimConfig, read_claim
from bnexp.config.sweep.looks import FEWEST
from bnexp.runs.record import RunRecord
from bnexp.wording import count


def assess_claims(cells: Sequence[Cell]) -> tuple[ClaimResult, ...]:
    """Returns a verdict on every claim that the runs were begun with, in the config's order.

    Each claim is assessed on the cells of the experiment that made it, once for each plan that
    its runs were begun with. Holm's family is all that stood before its results, those that
    cannot be tested yet counted as not shown, so that a verdict is not taken back when others
    follow: at each look of an experiment that is looked at while it grows, and over all
    experiments at hand.
    """
    attempts = list(find_attempts(cells))
    size = max(1, sum(attempt.is_planned for attempt in attempts))
    decisions = zip(attempts, decide(attempts), strict=True)
    return tuple(_conclude(attempt, decision, size) for attempt, decision in decisions)


def find_unreadable_claims(records: Sequence[RunRecord]) -> tuple[Caveat, ...]:
    """Returns one caveat if claims were recorded that cannot be read, else none."""
    unread = [claim for claim in _recorded(records) if read_claim(claim) is None]
    if not unread:
        return ()
    names = tuple(f"'{claim.get('statement', 'without a statement')}'" for claim in unread)
    subject = "claims that were recorded with the runs cannot be read, so they have no verdict"
    return (Caveat("unreadable claim", subject, names),)


@dataclass(frozen=True)
class Look:
    """One look at an experiment: what it shows of a claim, or why it shows nothing."""

    seeds: int
    parts: tuple[ClaimPart, ...]
    evidence: Evidence | None
    obstacle: Caveat | None


@dataclass(frozen=True)
class Attempt:
    """A claim with one of its plans, and what each look at its runs shows so far."""

    claim: ClaimConfig
    plan: ClaimPlan
    sides: tuple[Sides, ...]
    """For each case of the claim."""
    looks: tuple[Look, ...]
    """Those that have all their results, or, if none has, the first one."""
    is_planned: bool
    is_unrecorded: bool
    """Whether the record in the runs folder does not know of it."""
    awaited: Caveat | None
    """What the next look waits for."""

    @property
    def has_looks_to_come(self) -> bool:
        """Whether a planned look still waits for results."""
        return self.awaited is not None

    def latest(self, time: int) -> Look | None:
        """Returns the last look at no more than so many seeds that shows something."""
        shown = [look for look in self.looks if look.seeds <= time and look.evidence]
        return shown[-1] if shown else None

    def evidence_at(self, time: int) -> Evidence | None:
        """Returns the strongest evidence of the looks up to a number of seeds.

        Each p is valid over all looks, so the smallest so far is too.
        """
        shown = [look.evidence for look in self.looks if look.seeds <= time and look.evidence]
        return Evidence.strongest(shown) if shown else None


@dataclass(frozen=True)
class Decision:
    """What the family of claims leaves of a claim's evidence."""

    verdict: ClaimVerdict
    look: Look | None
    """The look that the verdict rests on, or the last one."""
    evidence: Evidence | None
    """Adjusted over all claims."""


def find_attempts(cells: Sequence[Cell]) -> Iterator[Attempt]:
    """Yields each claim of each experiment with each of its plans."""
    for members in _by_experiment(cells):
        runs = [run for cell in members for run in cell.runs]
        for raw in _recorded(runs):
            claim = read_claim(raw)
            if claim is None:
                continue
            sides = tuple(find_sides(case, members) for case in find_cases(claim))
            own = [run for found in sides for run in runs_of(found)]
            for plan in find_plans(raw, own):
                yield _examine(claim, raw, plan, sides, len(members))


def decide(attempts: Sequence[Attempt]) -> list[Decision]:
    """Returns the verdict on each claim; of an exploratory one, what it would be.

    The planned ones are one family; each of the others is judged as if it were one of them.
    """
    planned = [attempt for attempt in attempts if attempt.is_planned]
    decided = iter(_decide_family(planned))
    return [
        next(decided) if attempt.is_planned else _decide_family([*planned, attempt])[-1]
        for attempt in attempts
    ]


def _decide_family(attempts: Sequence[Attempt]) -> list[Decision]:
    """Returns the verdict on each claim, at the first look at which Holm's method gives one.

    Claims are taken together as they stand after each number of seeds, so a verdict rests on
    nothing that came after it.
    """
    times = sorted({look.seeds for attempt in attempts for look in attempt.looks})
    found = [Decision("inconclusive", None, None) for _ in attempts]
    for time in times:
        corrected = correct([attempt.evidence_at(time) for attempt in attempts])
        for place, (attempt, evidence) in enumerate(zip(attempts, corrected, strict=True)):
            if found[place].verdict != "inconclusive":
                continue
            verdict = _judge(evidence)
            is_open = verdict == "inconclusive"
            look = attempt.latest(time) if is_open else _find_deciding(attempt, time, verdict)
            found[place] = Decision(verdict, look, evidence)
    return found


def _find_deciding(attempt: Attempt, time: int, verdict: ClaimVerdict) -> Look:
    """Returns the look whose own p is the smallest for the verdict."""
    shown = [look for look in attempt.looks if look.seeds <= time and look.evidence]

    def strength(look: Look) -> float:
        p = look.evidence.p_of(verdict) if look.evidence else None
        return 1.0 if p is None else p

    return min(shown, key=strength)


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
    return Attempt(
        claim=claim,
        plan=plan,
        sides=sides,
        looks=tuple(looks),
        is_planned=all(was_planned(claim, raw, plan, run) for run in runs),
        is_unrecorded=any(run.claims_on_record is None for run in runs),
        awaited=awaited,
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


def _conclude(attempt: Attempt, decision: Decision, family: int) -> ClaimResult:
    """Returns the claim with its verdict, or with what keeps it open."""
    claim, plan = attempt.claim, attempt.plan
    look = decision.look or attempt.looks[-1]
    is_exploratory = not attempt.is_planned
    p_holm, p_equivalence = _name_ps(claim, decision.evidence)
    result = ClaimResult(
        claim=claim,
        parts=look.parts,
        verdict="exploratory" if is_exploratory else decision.verdict,
        standing="exploratory" if is_exploratory else "planned",
        would_be=decision.verdict if is_exploratory else None,
        look=ClaimLook(look.seeds, len(plan.seeds), plan.looks),
        p_holm=p_holm,
        p_equivalence=p_equivalence,
        also_differ=tuple(
            dict.fromkeys(key for sides in attempt.sides for key in find_other_keys(claim, sides))
        ),
        images=_count_images(attempt),
        caveats=tuple(_find_caveats(attempt, look)),
    )
    if decision.verdict != "inconclusive":
        return result
    significance = SIGNIFICANCE / family
    every = [
        count_seeds_needed(claim, part.treatment, part.control, part.test, significance)
        for part in look.parts
        if part.test is not None
    ]
    known = [number for number in every if number is not None]
    # Of several cases, all that are tested must have enough.
    needed = max(known) if known and len(known) == len(every) else None
    obstacle = look.obstacle or attempt.awaited or _why_open(claim)
    return replace(result, obstacle=obstacle, seeds_needed=needed)


def _count_images(attempt: Attempt) -> tuple[int, int] | None:
    """Returns how many pictures the runs were trained and tested on, if that is one number each."""
    found = {
        (count_train_images(run), run.environment.get("dataset.test_images"))
        for sides in attempt.sides
        for run in runs_of(sides)
    }
    train, test = found.pop() if len(found) == 1 else (None, None)
    return (train, test) if isinstance(train, int) and isinstance(test, int) else None


def _find_caveats(attempt: Attempt, look: Look) -> Iterator[Caveat]:
    if not attempt.is_planned:
        yield Caveat(
            "late claim",
            "the claim, with these seeds, was first seen when some of them had results",
            consequence="seeds that have none yet can confirm it (sweep.seeds: [100, 101, …])",
        )
    elif attempt.is_unrecorded:
        yield Caveat(
            "unrecorded claim",
            "the runs folder has no record of when these runs had their results",
            consequence="that the claim stood before them rests on what the runs say themselves",
        )
    yield from find_tuned(attempt.sides)
    for sides in attempt.sides[:1]:
        groups = {
            side: [run for cell in cells for run in cell.finished] for side, cells in sides.items()
        }
        yield from find_layer_caveats(groups, attempt.claim.tags[0], attempt.claim.layers)
    tests = [part.test for part in look.parts if part.test]
    if any(test.is_skewed for test in tests):
        yield Caveat(
            "skewed",
            "the values of the seeds are heavily skewed",
            consequence="a t test errs more often on such values than it says",
        )
    for part in look.parts:
        yield from _find_unpaired(attempt.claim, part)


def _find_unpaired(claim: ClaimConfig, part: ClaimPart) -> Iterator[Caveat]:
    """Yields the seeds that only one of the sides has, and that were left out for that."""
    if part.test is None or not part.test.is_paired:
        return
    apart = sorted(part.treatment.values.keys() ^ part.control.values.keys())
    if apart:
        yield Caveat(
            "unpaired",
            f"{len(apart)} runs are left out, because only one side has their seed",
            tuple(f"seed {seed}" for seed in apart[:6]),
            "`paired: false` compares the means of all",
        )


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
        f"a verdict takes at least {FEWEST} measured seeds on each side (-s sweep.seeds=5)",
    )


def _name_ps(claim: ClaimConfig, evidence: Evidence | None) -> tuple[float | None, float | None]:
    """Returns the adjusted p-values as a report names them: of a difference, of equivalence."""
    if evidence is None:
        return None, None
    if claim.direction == "equal":
        return evidence.p_against, evidence.p_for
    return min(evidence.p_for, evidence.p_against), evidence.p_equivalence


def _judge(evidence: Evidence | None) -> ClaimVerdict:
    """Returns what adjusted p-values say of a claim.

    Predicted higher or lower: *equivalent* if the difference is shown to lie within the
    margin, whether or not it is 0; else *supported* or *contradicted* if it is shown not to be
    0, by its sign. Predicted equal: *supported* if it is shown to lie within the margin,
    *contradicted* if it is shown to lie beyond. Predicted not lower: *supported* if it is
    shown to lie above -margin, *contradicted* if it is shown to lie below. All else is
    *inconclusive*: too little is known, which is not the same as no difference.
    """
    verdicts: tuple[ClaimVerdict, ...] = ("equivalent", "supported", "contradicted")
    ps = {verdict: evidence.p_of(verdict) if evidence else None for verdict in verdicts}
    shown = (verdict for verdict, p in ps.items() if p is not None and p <= SIGNIFICANCE)
    return next(shown, "inconclusive")


def _why_open(claim: ClaimConfig) -> Caveat:
    match claim.direction:
        case "equal":
            reason = "the difference is shown neither to lie within the margin nor beyond it"
        case "not_lower" | "not_higher":
            reason = "the difference is shown neither to lie within the margin on that side nor "
            reason += "beyond it"
        case _:
            reason = "the difference is shown neither to be apart from 0 nor to lie within the "
            reason += "margin"
    if claim.has_cases:
        reason = f"in too few of the {claim.num_cases} cases {reason}"
    return Caveat("undecided", reason)


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
