"""How many seeds it takes to show that a difference lies within a margin."""

from __future__ import annotations

from math import hypot, sqrt

from bnexp.analysis.stats.intervals import welch_degrees
from bnexp.analysis.stats.power import POWER, SIGNIFICANCE, find_fewest


def seeds_for_paired_equivalence(
    margin: float, spread: float, power: float = POWER, significance: float = SIGNIFICANCE
) -> int | None:
    """Returns the pairs with which two one-sided tests find a true difference of 0.

    `spread` is the standard deviation of the paired differences, in the margin's unit.
    None beyond 100,000.
    """
    return find_fewest(lambda n: _power(margin, spread / sqrt(n), n - 1, significance) >= power)


def seeds_for_welch_equivalence(
    margin: float,
    spread_treatment: float,
    spread_control: float,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> int | None:
    """Returns the seeds a side with which two one-sided tests find a true difference of 0.

    None beyond 100,000.
    """
    spreads = (spread_treatment, spread_control)
    spread = hypot(*spreads)

    def power_of(n: int) -> float:
        degrees = welch_degrees(spreads, (n, n)) if spread else n - 1
        return _power(margin, spread / sqrt(n), degrees, significance)

    return find_fewest(lambda n: power_of(n) >= power)


def _power(margin: float, error: float, degrees: float, significance: float) -> float:
    """Returns the chance that both one-sided tests reject where the true difference is 0.

    Both do where |mean| < margin - t · error; the mean over its error is taken to follow
    Student's t, which is close where the power is not small.

    Source: Schuirmann 1987, A comparison of the two one-sided tests procedure; Phillips
    1990 gives the exact integral.
    """
    from scipy.special import stdtr, stdtrit

    if error == 0:
        return 1.0
    room = margin / error - float(stdtrit(degrees, 1 - significance))
    return max(0.0, 2 * float(stdtr(degrees, room)) - 1)
