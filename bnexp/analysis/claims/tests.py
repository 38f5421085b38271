"""The test of a claim: from one number a seed on each side to a difference and its p-values."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean, stdev

from bnexp.analysis.results import ClaimSide, ClaimTest
from bnexp.analysis.stats.equivalence import paired_equivalence, welch_equivalence
from bnexp.analysis.stats.equivalence_power import (
    seeds_for_paired_equivalence,
    seeds_for_welch_equivalence,
)
from bnexp.analysis.stats.intervals import DifferenceEstimate, paired_difference, welch_difference
from bnexp.analysis.stats.power import POWER, seeds_for_paired_power, seeds_for_welch_power
from bnexp.analysis.stats.shares import (
    Count,
    fisher_exact,
    seeds_for_fisher_power,
    share_difference,
)
from bnexp.analysis.stats.sign_flips import fewest_pairs, sign_flip_p
from bnexp.config.claim.config import DIVERGED, ClaimConfig


def compare_sides(claim: ClaimConfig, treatment: ClaimSide, control: ClaimSide) -> ClaimTest | None:
    """Tests the difference of the two sides, or returns None where they have too few seeds.

    Fisher's exact test for divergence, the sign-flip test for paired values on an axis's
    grid (which takes seeds in common), the paired t test where at least two seeds are on
    both sides, else Welch's.
    """
    if claim.metric == DIVERGED:
        return _test_shares(treatment, control)
    common = sorted(treatment.values.keys() & control.values.keys())
    if claim.is_on_a_grid and len(common) < 2:
        return None
    if len(common) > 1:
        by_seed = {seed: treatment.values[seed] - control.values[seed] for seed in common}
        if claim.is_on_a_grid:
            return _test_signs(by_seed)
        after, before = ([side.values[seed] for seed in common] for side in (treatment, control))
        return _test_pairs(claim, after, before, by_seed)
    if min(len(treatment.values), len(control.values)) < 2:
        return None
    return _test_apart(claim, list(treatment.values.values()), list(control.values.values()))


def _test_pairs(
    claim: ClaimConfig, after: list[float], before: list[float], by_seed: Mapping[int, float]
) -> ClaimTest:
    estimate = paired_difference(after, before)
    beyond = paired_difference(_shift(after, estimate.mean, claim.margin), before)
    equivalence = paired_equivalence(after, before, claim.margin)
    if after == before:
        # Without spread t has no footing; that all of n pairs are equal is worth what n signs are.
        equivalence = 0.5 ** len(after)
    return _describe(claim, "paired t test", estimate, beyond, equivalence, len(by_seed), by_seed)


def _test_apart(claim: ClaimConfig, after: list[float], before: list[float]) -> ClaimTest:
    estimate = welch_difference(after, before)
    beyond = welch_difference(_shift(after, estimate.mean, claim.margin), before)
    equivalence = welch_equivalence(after, before, claim.margin)
    n = len(after) + len(before)
    return _describe(claim, "Welch's t test", estimate, beyond, equivalence, n, {})


def _shift(values: list[float], centre: float, margin: float) -> list[float]:
    """Moves the values towards 0 by the margin."""
    return [value - (margin if centre > 0 else -margin) for value in values]


def _describe(
    claim: ClaimConfig,
    name: str,
    estimate: DifferenceEstimate,
    beyond: DifferenceEstimate,
    p_equivalence: float | None,
    n: int,
    by_seed: Mapping[int, float],
) -> ClaimTest:
    low, high = (
        (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    )
    p_beyond = beyond.p if abs(estimate.mean) > claim.margin else 1.0
    return ClaimTest(
        name, estimate.mean, low, high, estimate.p, p_beyond, p_equivalence, n, by_seed
    )


def _test_signs(by_seed: Mapping[int, float]) -> ClaimTest:
    """Tests places on a grid; so few values cannot show that they lie within a margin."""
    differences = list(by_seed.values())
    p = sign_flip_p(differences)
    centre, n = mean(differences), len(differences)
    return ClaimTest("sign-flip test", centre, None, None, p, None, None, n, by_seed)


def _test_shares(treatment: ClaimSide, control: ClaimSide) -> ClaimTest | None:
    if not treatment.values or not control.values:
        return None
    after, before = _count(treatment), _count(control)
    interval = share_difference(after, before)
    difference = after.events / after.n - before.events / before.n
    low, high = (interval.low, interval.high) if interval else (None, None)
    p = fisher_exact(after, before)
    n = after.n + before.n
    return ClaimTest("Fisher's exact test", difference, low, high, p, None, None, n)


def _count(side: ClaimSide) -> Count:
    return Count(round(sum(side.values.values())), len(side.values))


def count_seeds_needed(
    claim: ClaimConfig,
    treatment: ClaimSide,
    control: ClaimSide,
    test: ClaimTest,
    significance: float,
) -> int | None:
    """Returns the seeds a side that find an effect of the margin, of equality none at all.

    With 80 % power at that significance. None where no number of seeds is known to do, as
    where there was no spread to tell it by.
    """
    if test.p is None or not any((test.mean, *test.by_seed.values())):
        return None
    if claim.metric == DIVERGED:
        base = control.mean or 0.0
        shift = claim.margin if claim.direction == "higher" else -claim.margin
        share = min(1.0, max(0.0, base + shift))
        return seeds_for_fisher_power(share, base, POWER, significance)
    values = [list(side.values.values()) for side in (treatment, control)]
    if test.by_seed:
        spread = stdev(test.by_seed.values())
        if claim.direction == "equal":
            needed = seeds_for_paired_equivalence(claim.margin, spread, POWER, significance)
        else:
            needed = seeds_for_paired_power(claim.margin, spread, POWER, significance)
        least = fewest_pairs(significance) if test.name == "sign-flip test" else 2
        return None if needed is None else max(needed, least)
    spreads = (stdev(values[0]), stdev(values[1]))
    if claim.direction == "equal":
        return seeds_for_welch_equivalence(claim.margin, *spreads, POWER, significance)
    return seeds_for_welch_power(claim.margin, *spreads, POWER, significance)
