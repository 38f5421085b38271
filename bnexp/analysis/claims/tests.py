"""The test of a claim: from one number a seed on each side to a difference and its p-values."""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign
from statistics import mean, stdev

from bnexp.analysis.results import ClaimSide, ClaimTest
from bnexp.analysis.stats.equivalence import (
    equivalence_p,
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
    """Tests the difference of the two sides, or returns None if they have too few seeds.

    Fisher's exact test for divergence, the sign-flip test for paired values on an axis's
    grid (which takes seeds in common), the paired t test if at least two seeds are on
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
        difference = paired_difference(after, before)
        return _test_means(claim, "paired t test", difference, len(common), by_seed)
    sizes = len(treatment.values), len(control.values)
    if min(sizes) < 2:
        return None
    difference = welch_difference([*treatment.values.values()], [*control.values.values()])
    return _test_means(claim, "Welch's t test", difference, sum(sizes), {})


def _test_means(
    claim: ClaimConfig,
    name: str,
    difference: DifferenceEstimate,
    n: int,
    by_seed: Mapping[int, float],
) -> ClaimTest:
    interval, centre, margin = difference.interval, difference.mean, claim.margin
    equivalence = equivalence_p(difference, margin)
    if difference.is_zero and by_seed:
        # Without spread t has no footing; that all of n pairs are equal is worth what n signs are.
        equivalence = 0.5**n
    return ClaimTest(
        name=name,
        mean=centre,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        p=difference.p,
        p_beyond=difference.p_of(copysign(margin, centre)) if abs(centre) > margin else 1.0,
        p_equivalence=equivalence,
        n=n,
        by_seed=by_seed,
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

    With 80 % power at that significance. None if no number of seeds is known to do so, e.g.
    if there was no spread to estimate it from.
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
