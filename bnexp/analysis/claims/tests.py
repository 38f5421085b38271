"""The test of a claim: from one number per seed on each side to a difference and its p-values."""

from __future__ import annotations

from math import copysign
from statistics import mean

from bnexp.analysis.results import ClaimSide, ClaimTest
from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import DifferenceEstimate, compare_seeds
from bnexp.analysis.stats.power import Design
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
    if not (treatment.values and control.values):
        return None
    if claim.metric == DIVERGED:
        return _test_shares(treatment, control)
    found = compare_seeds(treatment.values, control.values)
    if found.error is None or (claim.is_on_a_grid and not found.is_paired):
        return None
    return _test_signs(found) if claim.is_on_a_grid else _test_means(found, claim.margin)


def _test_means(found: DifferenceEstimate, margin: float) -> ClaimTest:
    equivalence = equivalence_p(found, margin)
    if found.is_zero and found.is_paired:
        # Without spread t has no footing; that all of n pairs are equal is worth what n signs are.
        equivalence = 0.5**found.n
    return ClaimTest(
        name="paired t test" if found.is_paired else "Welch's t test",
        mean=found.mean,
        interval=found.interval,
        p=found.p,
        n=found.n,
        by_seed=found.by_seed,
        p_beyond=found.p_of(copysign(margin, found.mean)) if abs(found.mean) > margin else 1.0,
        p_equivalence=equivalence,
    )


def _test_signs(found: DifferenceEstimate) -> ClaimTest:
    """Tests places on a grid; so few values cannot show that they lie within a margin."""
    centre, p = mean(found.samples[0]), sign_flip_p(found.samples[0])
    return ClaimTest(centre, None, p, found.n, found.by_seed, name="sign-flip test")


def _test_shares(treatment: ClaimSide, control: ClaimSide) -> ClaimTest:
    after, before = _count(treatment), _count(control)
    return ClaimTest(
        name="Fisher's exact test",
        mean=after.events / after.n - before.events / before.n,
        interval=share_difference(after, before),
        p=fisher_exact(after, before),
        n=after.n + before.n,
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
    """Returns the seeds per side that find an effect of the margin, of equality none at all.

    With 80 % power at that significance. None if no number of seeds is known to do so, e.g.
    if there was no spread to estimate it from.
    """
    if test.p is None or not any((test.mean, *test.by_seed.values())):
        return None
    if claim.metric == DIVERGED:
        base = control.mean or 0.0
        shift = claim.margin if claim.direction == "higher" else -claim.margin
        share = min(1.0, max(0.0, base + shift))
        return seeds_for_fisher_power(share, base, significance=significance)
    design = Design.of(*compare_seeds(treatment.values, control.values).samples)
    if claim.direction == "equal":
        return design.seeds_for_equivalence(claim.margin, significance=significance)
    needed = design.seeds_needed(claim.margin, significance=significance)
    if needed is None or test.name != "sign-flip test":
        return needed
    return max(needed, fewest_pairs(significance))
