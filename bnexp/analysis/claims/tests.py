"""The test of a claim: from one number per seed on each side to a difference and its p-values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, copysign, inf, isfinite, isinf
from statistics import mean

from bnexp.analysis.results import ClaimSide, ClaimTest
from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import DifferenceEstimate, compare_seeds, welch_difference
from bnexp.analysis.stats.looks import TestKind, nominal_level, overall_p
from bnexp.analysis.stats.power import SIGNIFICANCE, Design
from bnexp.analysis.stats.shares import (
    Count,
    fisher_exact,
    seeds_for_fisher_power,
    share_difference,
    share_equivalence_p,
)
from bnexp.analysis.stats.sign_flips import fewest_pairs, sign_flip_p
from bnexp.analysis.stats.skewness import is_heavily_skewed
from bnexp.config.claim.config import SHARES, ClaimConfig
from bnexp.config.sweep.looks import FEWEST

EXACT = ("training_memory_bytes",)
"""Metrics without noise: if every run of a side has one value, they are compared exactly."""


@dataclass(frozen=True)
class Looks:
    """The planned looks at growing data, as a test sees them: numbers of measured seeds."""

    sizes: tuple[int, ...]

    def overall(self, p: float, kind: TestKind, *, is_one_sided: bool = False) -> float:
        """Returns p made valid for all looks."""
        sizes = self.sizes if kind != "exact" else reachable_looks(self.sizes, sign_flip_least)
        return overall_p(p, sizes, kind, is_one_sided=is_one_sided)

    def level(self, kind: TestKind) -> float:
        """Returns the two-sided level of one look such that all together err at 5 %."""
        return nominal_level(SIGNIFICANCE, self.sizes, kind)


def sign_flip_least(pairs: int) -> float:
    """Returns the smallest p that the sign-flip test of so many pairs can have."""
    return float(2 * 0.5**pairs)


def fisher_least(runs: int) -> float:
    """Returns the smallest p that Fisher's test of so many runs per side can have."""
    return min(1.0, 2 / comb(2 * runs, runs))


def reachable_looks(looks: Sequence[int], least: Callable[[int], float]) -> tuple[int, ...]:
    """Returns the looks at which an exact test can decide, Bonferroni over these looks included.

    Looks before them are not taken, and cost nothing.
    """
    for place, look in enumerate(looks):
        later = looks[place:]
        if least(look) * len(later) <= SIGNIFICANCE:
            return tuple(later)
    return tuple(looks[-1:])


def compare_sides(
    claim: ClaimConfig, treatment: ClaimSide, control: ClaimSide, looks: Looks
) -> ClaimTest | None:
    """Tests the difference of the two sides, or returns None if they have too few seeds.

    Fisher's exact test for shares of runs; an exact comparison of figures without noise; the
    sign-flip test for paired values on an axis's grid, and if all differences are equal; else
    the paired t test, or Welch's for sides that don't pair. At least three seeds are needed
    on each side, except by an exact comparison.
    """
    if not (treatment.values and control.values):
        return None
    if claim.metric in SHARES:
        return _test_shares(claim, treatment, control, looks)
    if claim.metric in EXACT and (exact := _compare_exactly(claim, treatment, control)):
        return exact
    found = (
        compare_seeds(treatment.values, control.values)
        if claim.paired
        else welch_difference([*treatment.values.values()], [*control.values.values()])
    )
    if min(map(len, found.samples)) < FEWEST or found.error is None:
        return None
    if claim.is_on_a_grid or (found.error == 0 and found.is_paired):
        return _test_signs(claim, found, looks, treatment, control) if found.is_paired else None
    return _test_means(claim, found, looks) if found.error else None


def _test_means(claim: ClaimConfig, found: DifferenceEstimate, looks: Looks) -> ClaimTest:
    kind: TestKind = "paired" if len(found.samples) == 1 else "welch"
    margin, p = claim.margin_on_scale, found.p if found.p is not None else 1.0

    def below(value: float) -> float:
        """Returns the p that the difference is at most this, doubled like a two-sided one."""
        p = found.p_below(value)
        overall = looks.overall(1.0 if p is None else p, kind, is_one_sided=True)
        return min(1.0, 2 * overall)

    def above(value: float) -> float:
        p = found.p_below(value)
        overall = looks.overall(1.0 if p is None else 1 - p, kind, is_one_sided=True)
        return min(1.0, 2 * overall)

    one_look = equivalence_p(found, margin)
    equivalence = looks.overall(1.0 if one_look is None else one_look, kind, is_one_sided=True)
    is_beyond = abs(found.mean) > margin
    beyond = found.p_of(copysign(margin, found.mean)) if is_beyond else 1.0
    match claim.direction:
        case "equal":
            p_for, p_against = equivalence, looks.overall(beyond or 0.0, kind)
        case "not_lower":
            p_for, p_against = below(-margin), above(-margin)
        case "not_higher":
            p_for, p_against = above(margin), below(margin)
        case direction:
            shown = looks.overall(p, kind)
            is_right = (found.mean > 0) == (direction == "higher")
            p_for, p_against = (shown, 1.0) if is_right else (1.0, shown)
    level = looks.level(kind)
    interval = found.interval_at(1 - level)
    samples = [*found.by_seed.values()] if found.is_paired else None
    return ClaimTest(
        name="paired t test" if kind == "paired" else "Welch's t test",
        mean=found.mean,
        interval=interval,
        p=found.p,
        n=found.n,
        by_seed=found.by_seed,
        p_for=p_for,
        p_against=p_against,
        p_equivalence=None if claim.direction.startswith("not_") else equivalence,
        confidence=1 - level,
        is_skewed=any(map(is_heavily_skewed, [samples] if samples else found.samples)),
    )


def _test_signs(
    claim: ClaimConfig,
    found: DifferenceEstimate,
    looks: Looks,
    treatment: ClaimSide,
    control: ClaimSide,
) -> ClaimTest:
    """Tests places on a grid, or differences without spread, by the signs of the differences."""
    differences = dict(found.by_seed)
    overlapping = [
        seed for seed in differences if _overlap(treatment.spans.get(seed), control.spans.get(seed))
    ]
    differences |= dict.fromkeys(overlapping, 0.0)
    values, margin = [*differences.values()], claim.margin_on_scale
    centre = mean(values)
    bounds = [
        _bound(value, treatment.spans.get(seed), control.spans.get(seed))
        for seed, value in differences.items()
    ]

    def one_sided(shift: float, sign: int) -> float:
        """Returns the p that the difference does not exceed a value; with -1, is not below it.

        A time counts as the least favourable one that it may have been.
        """
        shifted = [sign * ((low if sign > 0 else high) - shift) for low, high in bounds]
        if not all(map(isfinite, shifted)):
            return 1.0
        return looks.overall(sign_flip_p(shifted, is_one_sided=True), "exact")

    p = sign_flip_p(values)
    equivalence = max(one_sided(-margin, 1), one_sided(margin, -1))
    match claim.direction:
        case "equal":
            p_for = equivalence
            p_against = min(1.0, 2 * min(one_sided(margin, 1), one_sided(-margin, -1)))
        case "not_lower":
            p_for, p_against = 2 * one_sided(-margin, 1), 2 * one_sided(-margin, -1)
        case "not_higher":
            p_for, p_against = 2 * one_sided(margin, -1), 2 * one_sided(margin, 1)
        case direction:
            shown = looks.overall(p, "exact")
            is_right = (centre > 0) == (direction == "higher")
            p_for, p_against = (shown, 1.0) if is_right else (1.0, shown)
    return ClaimTest(
        name="sign-flip test",
        mean=centre,
        interval=None,
        p=p,
        n=found.n,
        by_seed=differences,
        p_for=min(1.0, p_for),
        p_against=min(1.0, p_against),
        p_equivalence=None if claim.direction.startswith("not_") else equivalence,
        overlapping=len(overlapping),
    )


def _bound(
    difference: float, one: tuple[float, float] | None, other: tuple[float, float] | None
) -> tuple[float, float]:
    """Returns between which ends a difference lies; times are known to an interval alone."""
    if not (one and other):
        return difference, difference
    if isinf(one[1]) and isinf(other[1]):
        return -inf, inf
    return one[0] - other[1], one[1] - other[0]


def _overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    """Whether two times, each known to lie after one end and not after the other, may be equal."""
    return bool(one and other) and one[0] < other[1] and other[0] < one[1]  # type: ignore[index]


def _compare_exactly(
    claim: ClaimConfig, treatment: ClaimSide, control: ClaimSide
) -> ClaimTest | None:
    """Compares figures that every run of a side has alike; None if they are not alike."""
    after, before = {*treatment.values.values()}, {*control.values.values()}
    if len(after) > 1 or len(before) > 1:
        return None
    (value,), (other,) = after, before
    difference, margin = value - other, claim.margin_on_scale
    shown = {
        "equal": abs(difference) <= margin,
        "not_lower": difference > -margin,
        "not_higher": difference < margin,
        "higher": difference > 0,
        "lower": difference < 0,
    }[claim.direction]
    refuted = difference != 0 if claim.direction in ("higher", "lower") else True
    return ClaimTest(
        name="exact comparison",
        mean=difference,
        interval=None,
        p=float(difference == 0),
        n=len(treatment.values.keys() & control.values.keys()),
        p_for=float(not shown),
        p_against=float(shown or not refuted),
        p_equivalence=None
        if claim.direction.startswith("not_")
        else float(abs(difference) > margin),
    )


def _test_shares(
    claim: ClaimConfig, treatment: ClaimSide, control: ClaimSide, looks: Looks
) -> ClaimTest | None:
    after, before = _count(treatment), _count(control)
    if min(after.n, before.n) < FEWEST:
        return None
    sizes = reachable_looks(looks.sizes, fisher_least)

    def overall(p: float) -> float:
        return overall_p(p, sizes, "exact")

    difference = after.events / after.n - before.events / before.n
    p = fisher_exact(after, before)
    equivalence = overall(share_equivalence_p(after, before, claim.margin))
    if claim.direction == "equal":
        p_for, p_against = equivalence, _beyond(after, before, claim.margin, overall)
    elif claim.direction.startswith("not_"):
        sign = 1 if claim.direction == "not_lower" else -1
        p_for = 2 * overall(_one_sided(after, before, -sign * claim.margin, sign))
        p_against = 2 * overall(_one_sided(after, before, -sign * claim.margin, -sign))
    else:
        shown = overall(p)
        is_right = (difference > 0) == (claim.direction == "higher")
        p_for, p_against = (shown, 1.0) if is_right else (1.0, shown)
    level = nominal_level(SIGNIFICANCE, sizes, "exact")
    return ClaimTest(
        name="Fisher's exact test",
        mean=difference,
        interval=share_difference(after, before, 1 - level),
        p=p,
        n=after.n + before.n,
        p_for=min(1.0, p_for),
        p_against=min(1.0, p_against),
        p_equivalence=None if claim.direction.startswith("not_") else equivalence,
        confidence=1 - level,
    )


def _beyond(after: Count, before: Count, margin: float, overall: Callable[[float], float]) -> float:
    """Returns the two-sided p that the shares differ by no more than the margin."""
    ends = (_one_sided(after, before, margin, 1), _one_sided(after, before, -margin, -1))
    return min(1.0, 2 * overall(min(ends)))


def _one_sided(after: Count, before: Count, value: float, sign: int) -> float:
    """Returns the p that the difference of the shares does not exceed a value, by its interval.

    With sign -1: that it is not below it.
    """
    low, high = 0.0, 0.5
    while high - low > 1e-6:
        middle = (low + high) / 2
        interval = share_difference(after, before, 1 - 2 * middle)
        end = (interval.low if sign > 0 else interval.high) if interval else value
        low, high = (low, middle) if sign * (end - value) > 0 else (middle, high)
    return high if high < 0.5 else 1.0


def _count(side: ClaimSide) -> Count:
    return Count(round(sum(side.values.values())), len(side.values))


def count_seeds_needed(
    claim: ClaimConfig,
    treatment: ClaimSide,
    control: ClaimSide,
    test: ClaimTest,
    significance: float,
) -> int | None:
    """Returns the seeds per side that find an effect of the margin, of equality none at all.

    With 80 % power at that significance. None if no number of seeds is known to do so, e.g.
    if there was no spread to estimate it from.
    """
    if not any((test.mean, *test.by_seed.values())):
        return None
    if claim.metric in SHARES:
        base = control.mean or 0.0
        shift = claim.margin if claim.direction == "higher" else -claim.margin
        share = min(1.0, max(0.0, base + shift))
        return seeds_for_fisher_power(share, base, significance=significance)
    if test.name == "exact comparison":
        return None
    found = (
        compare_seeds(treatment.values, control.values)
        if claim.paired
        else welch_difference([*treatment.values.values()], [*control.values.values()])
    )
    design = Design.of(*found.samples)
    if claim.direction in ("equal", "not_lower", "not_higher"):
        needed = design.seeds_for_equivalence(claim.margin_on_scale, significance=significance)
    else:
        needed = design.seeds_needed(claim.margin_on_scale, significance=significance)
    if needed is None or test.name != "sign-flip test":
        return needed
    return max(needed, fewest_pairs(significance))
