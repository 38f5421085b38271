"""Two one-sided t tests: is a difference small enough not to matter?

If an ordinary test finds no difference, there may be too few seeds to see one. Only an
equivalence test can say that a difference lies within a margin.
"""

from __future__ import annotations

from bnexp.analysis.stats.intervals import DifferenceEstimate


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
