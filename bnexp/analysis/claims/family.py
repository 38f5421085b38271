"""Verdicts on claims that are corrected together: of runs at hand, or of stored results alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bnexp.analysis.claims.evidence import Evidence, correct
from bnexp.analysis.claims.plans import ClaimPlan, tuning_seeds
from bnexp.analysis.claims.tests import count_seeds_needed
from bnexp.analysis.results import Caveat, ClaimLook, ClaimPart, ClaimResult, ClaimVerdict
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.config.claim.config import ClaimConfig, RecordedClaim


@dataclass(frozen=True)
class Look:
    """One look at an experiment: what it shows of a claim, or why it shows nothing."""

    seeds: int
    parts: tuple[ClaimPart, ...]
    evidence: Evidence | None
    obstacle: Caveat | None


@dataclass(frozen=True)
class Attempt:
    """A claim with one of its plans, and what each look at its runs shows so far.

    It is all that a verdict on the claim takes, whatever else is in its family.
    """

    claim: RecordedClaim
    plan: ClaimPlan
    looks: tuple[Look, ...]
    """Those that have all their results, or, if none has, the first one."""
    cells: tuple[str, ...]
    """The names of the cells that the claim is about."""
    is_planned: bool
    awaited: Caveat | None
    """What the next look waits for."""
    images: tuple[int, int] | None
    """How many pictures the runs were trained and tested on; None if that is not recorded."""
    also_differ: tuple[str, ...]
    """Keys that the claim allows, and in which the two sides differ as well."""
    caveats: tuple[Caveat, ...]
    """What a reader must know at whatever look."""

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
class Group:
    """The claims of one experiment, of several that are judged as one family."""

    attempts: tuple[Attempt, ...]
    size: int
    """How many claims were declared, those without a result included."""


@dataclass(frozen=True)
class Decision:
    """What the family of claims leaves of a claim's evidence."""

    verdict: ClaimVerdict
    look: Look | None
    """The look that the verdict rests on, or the last one."""
    evidence: Evidence | None
    """Adjusted over all claims."""


def conclude(attempts: Sequence[Attempt], others: int = 0) -> tuple[ClaimResult, ...]:
    """Returns each claim with its verdict, or with what keeps it open.

    `others` is how many more claims belong to the family, of which nothing is known yet.
    """
    size = max(1, others + _count_planned(attempts))
    decisions = zip(attempts, decide(attempts, others), strict=True)
    return tuple(_conclude(attempt, decision, size) for attempt, decision in decisions)


def conclude_together(groups: Sequence[Group]) -> list[tuple[ClaimResult, ...]]:
    """Returns the verdicts of several experiments whose claims are one family, by experiment.

    What an experiment decides while all claims of the others count as open, as they do while it is
    trained, stays as it is. The results of all together decide of the rest: Holm's method demands
    less of a claim the more of the others are shown.
    """
    size = sum(group.size for group in groups)
    every = [attempt for group in groups for attempt in group.attempts]
    is_open = sum(max(0, group.size - _count_planned(group.attempts)) for group in groups)
    together = iter(decide(every, is_open))
    whole = max(1, is_open + _count_planned(every))
    found = []
    for group in groups:
        alone = decide(group.attempts, size - group.size)
        results = []
        for attempt, own in zip(group.attempts, alone, strict=True):
            joint = next(together)
            decision = joint if own.verdict == "inconclusive" else own
            results.append(_conclude(attempt, decision, whole))
        found.append(tuple(results))
    return found


def decide(attempts: Sequence[Attempt], others: int = 0) -> list[Decision]:
    """Returns the verdict on each claim; of an exploratory one, what it would be.

    The planned ones are one family, with so many others that count as not shown; each of the
    exploratory ones is judged as if it were one of them.
    """
    planned = [attempt for attempt in attempts if attempt.is_planned]
    decided = iter(_decide_family(planned, others))
    return [
        next(decided) if attempt.is_planned else _decide_family([*planned, attempt], others)[-1]
        for attempt in attempts
    ]


def _count_planned(attempts: Sequence[Attempt]) -> int:
    return sum(attempt.is_planned for attempt in attempts)


def _decide_family(attempts: Sequence[Attempt], others: int) -> list[Decision]:
    """Returns the verdict on each claim, at the first look at which Holm's method gives one.

    Claims are taken together as they stand after each number of seeds, so a verdict rests on
    nothing that came after it.
    """
    times = sorted({look.seeds for attempt in attempts for look in attempt.looks})
    found = [Decision("inconclusive", None, None) for _ in attempts]
    for time in times:
        corrected = correct([attempt.evidence_at(time) for attempt in attempts], others)
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


def _conclude(attempt: Attempt, decision: Decision, family: int) -> ClaimResult:
    """Returns the claim with its verdict, or with what keeps it open."""
    claim, plan = attempt.claim, attempt.plan
    look = decision.look or attempt.looks[-1]
    is_exploratory = not attempt.is_planned
    choosing = tuning_seeds(claim, plan) & plan.seeds_at(look.seeds)
    p_holm, p_equivalence = _name_ps(claim, decision.evidence)
    result = ClaimResult(
        claim=claim,
        parts=look.parts,
        verdict="exploratory" if is_exploratory else decision.verdict,
        standing="exploratory" if is_exploratory else "planned",
        would_be=decision.verdict if is_exploratory else None,
        look=ClaimLook(look.seeds, len(plan.seeds), plan.looks, len(choosing)),
        p_holm=p_holm,
        p_equivalence=p_equivalence,
        also_differ=attempt.also_differ,
        images=attempt.images,
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


def _find_caveats(attempt: Attempt, look: Look) -> Iterator[Caveat]:
    yield from attempt.caveats
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
