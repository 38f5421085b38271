"""The test of a claim: from one number per seed on each side to a difference and its p-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, inf, isfinite, isinf
from statistics import mean
from typing import NamedTuple

from bnexp.analysis.results import ClaimSide, ClaimTest
from bnexp.analysis.stats.intervals import DifferenceEstimate, compare_seeds, welch_difference
from bnexp.analysis.stats.looks import TestKind, nominal_level, overall_p
from bnexp.analysis.stats.power import SIGNIFICANCE, Design
from bnexp.analysis.stats.shares import (
    Count,
    fisher_exact,
    seeds_for_fisher_power,
    share_difference,
    share_p,
)
from bnexp.analysis.stats.sign_flips import fewest_pairs, sign_flip_p
from bnexp.analysis.stats.skewness import is_heavily_skewed
from bnexp.config.claim.config import SHARES, ClaimConfig
from bnexp.config.sweep.looks import FEWEST

EXACT = ("training_memory_bytes",)
"""Metrics without noise: if every run of a side has one value, they are compared exactly."""


@dataclass(frozen=True)
class Looks:
    """The planned looks at growing data, as a test sees them, in numbers of measured seeds."""

    sizes: tuple[int, ...]
    current: int
    """The look that is taken now."""

    def reachable(self, least: Callable[[int], float]) -> Looks:
        """Returns the looks at which a test whose smallest p is so large can decide.

        Bonferroni over these looks is included. Looks before them are not taken, and cost nothing.
        """
        for place, look in enumerate(self.sizes):
            later = self.sizes[place:]
            if least(look) * len(later) <= SIGNIFICANCE:
                return Looks(later, self.current)
        return Looks(self.sizes[-1:], self.current)

    def overall(self, p: float, kind: TestKind) -> float:
        """Returns a one-sided p made valid for all looks; 1 at a look that is not taken."""
        if self.current not in self.sizes:
            return 1.0
        return overall_p(p, self.sizes, kind, is_one_sided=True)

    def level(self, kind: TestKind) -> float:
        """Returns the two-sided level of one look such that all together err at 5 %."""
        return nominal_level(SIGNIFICANCE, self.sizes, kind)


def sign_flip_least(pairs: int) -> float:
    """Returns the smallest p that the sign-flip test of so many pairs can have."""
    return float(2 * 0.5**pairs)


def fisher_least(runs: int) -> float:
    """Returns the smallest p that Fisher's test of so many runs per side can have."""
    return min(1.0, 2 / comb(2 * runs, runs))


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
    found = _estimate(claim, treatment, control)
    if found is None or min(map(len, found.samples)) < FEWEST or found.error is None:
        return None
    if claim.is_on_a_grid or (found.error == 0 and found.is_paired):
        return _test_signs(claim, found, looks, treatment, control) if found.is_paired else None
    return _test_means(claim, found, looks) if found.error else None


def _estimate(
    claim: ClaimConfig, treatment: ClaimSide, control: ClaimSide
) -> DifferenceEstimate | None:
    """Returns the difference of the sides, seed by seed if they pair; None without a pair."""
    after, before = treatment.values, control.values
    if not (claim.paired or claim.is_against_number):
        return welch_difference([*after.values()], [*before.values()])
    common = after.keys() & before.keys()
    if not common:
        return None
    return compare_seeds(*({seed: side[seed] for seed in common} for side in (after, before)))


OneSided = Callable[[float, int], float]
"""Of a value and 1: the p that the difference does not exceed it. With -1: that it is not below."""


class _Ps(NamedTuple):
    """The p-values of a claim's test that its verdict rests on."""

    p_for: float
    p_against: float
    p_equivalence: float | None

    @classmethod
    def of(cls, claim: ClaimConfig, mean: float, shown: float, one_sided: OneSided) -> _Ps:
        """Returns them from the p that there is no difference, and the one-sided ones.

        A one-sided p that stands for one of two sides is doubled, like a two-sided one.
        """
        margin = claim.margin_on_scale
        equivalence = max(one_sided(-margin, 1), one_sided(margin, -1))
        match claim.direction:
            case "equal":
                beyond = min(one_sided(margin, 1), one_sided(-margin, -1))
                return cls(equivalence, min(1.0, 2 * beyond), equivalence)
            case "not_lower" | "not_higher":
                sign = 1 if claim.direction == "not_lower" else -1
                ends = (one_sided(-sign * margin, way) for way in (sign, -sign))
                p_for, p_against = (min(1.0, 2 * p) for p in ends)
                return cls(p_for, p_against, None)
            case direction:
                is_right = (mean > 0) == (direction == "higher")
                ps = (shown, 1.0) if is_right else (1.0, shown)
                return cls(*ps, equivalence)


def _test_means(claim: ClaimConfig, found: DifferenceEstimate, looks: Looks) -> ClaimTest:
    kind: TestKind = "paired" if found.is_paired else "welch"

    def one_sided(value: float, sign: int) -> float:
        return looks.overall(found.one_sided_p(value, sign), kind)

    shown = min(1.0, 2 * min(one_sided(0.0, 1), one_sided(0.0, -1)))
    level = looks.level(kind)
    samples = [[*found.by_seed.values()]] if found.is_paired else found.samples
    return ClaimTest(
        name="paired t test" if found.is_paired else "Welch's t test",
        mean=found.mean,
        interval=found.interval_at(1 - level),
        p=found.p,
        n=found.n,
        by_seed=found.by_seed,
        confidence=1 - level,
        is_skewed=any(map(is_heavily_skewed, samples)),
        **_Ps.of(claim, found.mean, shown, one_sided)._asdict(),
    )


def _test_signs(
    claim: ClaimConfig,
    found: DifferenceEstimate,
    looks: Looks,
    treatment: ClaimSide,
    control: ClaimSide,
) -> ClaimTest:
    """Tests places on a grid, or differences without spread, by the signs of the differences."""
    looks = looks.reachable(sign_flip_least)
    differences = dict(found.by_seed)
    overlapping = [
        seed for seed in differences if _overlap(treatment.spans.get(seed), control.spans.get(seed))
    ]
    differences |= dict.fromkeys(overlapping, 0.0)
    values = [*differences.values()]
    bounds = [
        _bound(value, treatment.spans.get(seed), control.spans.get(seed))
        for seed, value in differences.items()
    ]

    def one_sided(value: float, sign: int) -> float:
        """Counts a time as the least favourable one that it may have been."""
        shifted = [sign * ((low if sign > 0 else high) - value) for low, high in bounds]
        if not all(map(isfinite, shifted)):
            return 1.0
        return looks.overall(sign_flip_p(shifted, is_one_sided=True), "exact")

    p = sign_flip_p(values)
    return ClaimTest(
        name="sign-flip test",
        mean=mean(values),
        interval=None,
        p=p,
        n=found.n,
        by_seed=differences,
        overlapping=len(overlapping),
        **_Ps.of(claim, mean(values), looks.overall(p, "exact"), one_sided)._asdict(),
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
        n=len(treatment.values.keys() | control.values.keys()),
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
    looks = looks.reachable(fisher_least)

    def one_sided(value: float, sign: int) -> float:
        return looks.overall(share_p(after, before, value, sign), "exact")

    difference = after.events / after.n - before.events / before.n
    p = fisher_exact(after, before)
    level = looks.level("exact")
    return ClaimTest(
        name="Fisher's exact test",
        mean=difference,
        interval=share_difference(after, before, 1 - level),
        p=p,
        n=after.n + before.n,
        confidence=1 - level,
        **_Ps.of(claim, difference, looks.overall(p, "exact"), one_sided)._asdict(),
    )


def _count(side: ClaimSide) -> Count:
    return Count(round(sum(side.values.values())), len(side.values))


def count_seeds_needed(
    claim: ClaimConfig,
    treatment: ClaimSide,
    control: ClaimSide,
    test: ClaimTest,
    significance: float,
) -> int | None:
    """Returns the seeds per side that find an effect of the margin, or that there is none.

    With 80 % power at that significance. None if no number of seeds is known to do so, e.g.
    if there was no spread to estimate it from.
    """
    if not any((test.mean, *test.by_seed.values())):
        return None
    if claim.metric in SHARES:
        if claim.direction not in ("higher", "lower"):
            return None
        base = control.mean or 0.0
        shift = claim.margin if claim.direction == "higher" else -claim.margin
        share = min(1.0, max(0.0, base + shift))
        return seeds_for_fisher_power(share, base, significance=significance)
    if test.name == "exact comparison":
        return None
    found = _estimate(claim, treatment, control)
    if found is None:
        return None
    design = Design.of(*found.samples)
    if claim.direction == "equal":
        needed = design.seeds_for_equivalence(claim.margin_on_scale, significance=significance)
    else:
        needed = design.seeds_needed(claim.margin_on_scale, significance=significance)
    if needed is None or test.name != "sign-flip test":
        return needed
    return max(needed, fewest_pairs(significance))
