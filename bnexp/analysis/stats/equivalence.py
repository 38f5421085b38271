"""Two one-sided t tests: is a difference small enough not to matter, and how many seeds show it?

If an ordinary test finds no difference, there may be too few seeds to see one. Only an
equivalence test can say that a difference lies within a margin.
"""

from __future__ import annotations

from math import hypot, sqrt

from bnexp.analysis.stats.intervals import DifferenceEstimate, welch_degrees
from bnexp.analysis.stats.power import POWER, SIGNIFICANCE, find_fewest


def equivalence_p(difference: DifferenceEstimate, margin: float) -> float | None:
    """Returns the p of the two one-sided tests that the true difference is within ±margin.

    It is the larger of the two one-sided p-values: p <= 0.05 exactly if the 90 % t interval
    lies within the margins. None below two values per side. Without any spread no t test is
    possible: the p is 0 if there is no difference, and None if all values differ by the same
    amount, however small.

    Formula: P(T <= (|mean| - margin) / error).

    Raises:
        ValueError: The margin is not above 0.

    Source: Schuirmann 1987, A comparison of the two one-sided tests procedure and the
    power approach for assessing the equivalence of average bioavailability.
    """
    from scipy.special import stdtr

    if not margin > 0:
        raise ValueError(f"an equivalence margin must be above 0, but it is {margin}")
    if difference.error:
        t = (abs(difference.mean) - margin) / difference.error
        return float(stdtr(difference.degrees, t))
    return 0.0 if difference.is_zero else None


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
    """Returns the seeds per side with which two one-sided tests find a true difference of 0.

    None beyond 100,000.
    """
    spreads = (spread_treatment, spread_control)
    spread = hypot(*spreads)

    def power_of(n: int) -> float:
        degrees = welch_degrees(spreads, (n, n)) if spread else n - 1
        return _power(margin, spread / sqrt(n), degrees, significance)

    return find_fewest(lambda n: power_of(n) >= power)


def _power(margin: float, error: float, degrees: float, significance: float) -> float:
    """Returns the chance that both one-sided tests reject if the true difference is 0.

    Both do if |mean| < margin - t · error; the mean over its error is taken to follow
    Student's t, which is close unless the power is small.

    Source: Schuirmann 1987, A comparison of the two one-sided tests procedure; Phillips
    1990 gives the exact integral.
    """
    from scipy.special import stdtr, stdtrit

    if error == 0:
        return 1.0
    room = margin / error - float(stdtrit(degrees, 1 - significance))
    return max(0.0, 2 * float(stdtr(degrees, room)) - 1)
