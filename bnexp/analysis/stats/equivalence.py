"""Two one-sided t tests: is a difference small enough not to matter?

Where an ordinary test finds no difference, there may be too few seeds to see one.
Only an equivalence test can say that a difference lies within a margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import mean, stdev

from bnexp.analysis.stats.intervals import NO_SPREAD, welch_degrees


def paired_equivalence(
    treatment: Sequence[float], control: Sequence[float], margin: float
) -> float | None:
    """Returns the p of the two one-sided tests that the mean paired difference is within ±margin.

    It is the larger of the two one-sided p-values: p <= 0.05 just where the 90 % t
    interval of the mean lies within the margins. None below two pairs. Without any
    spread no t test is possible: the p is 0 where all pairs are equal, and None where
    all differ by the same amount, however small.

    Formula: P(T <= (|m| - margin) / (s / √n)) with n - 1 degrees of freedom.

    Raises:
        ValueError: The two differ in length, or the margin is not above 0.

    Source: Schuirmann 1987, A comparison of the two one-sided tests procedure and the
    power approach for assessing the equivalence of average bioavailability.
    """
    _check_margin(margin)
    pairs = list(zip(treatment, control, strict=True))
    if len(pairs) < 2:
        return None
    differences = [after - before for after, before in pairs]
    error = stdev(differences) / sqrt(len(differences))
    scale = max(abs(value) for pair in pairs for value in pair)
    if error <= NO_SPREAD * scale:
        return _p_without_spread(mean(differences), scale)
    return _larger_p(mean(differences), error, len(differences) - 1, margin)


def welch_equivalence(
    treatment: Sequence[float], control: Sequence[float], margin: float
) -> float | None:
    """Returns the p of the two one-sided Welch tests that the means differ by less than margin.

    As `paired_equivalence`, for independent values: None below two values on a side.

    Raises:
        ValueError: The margin is not above 0.

    Source: Schuirmann 1987 for the two tests, Welch 1947 for unequal variances.
    """
    _check_margin(margin)
    sides = (treatment, control)
    sizes = [len(values) for values in sides]
    if min(sizes) < 2:
        return None
    centre = mean(treatment) - mean(control)
    errors = [stdev(values) / sqrt(len(values)) for values in sides]
    scale = max(abs(value) for values in sides for value in values)
    if hypot(*errors) <= NO_SPREAD * scale:
        return _p_without_spread(centre, scale)
    return _larger_p(centre, hypot(*errors), welch_degrees(errors, sizes), margin)


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"an equivalence margin must be above 0, but it is {margin}")


def _p_without_spread(centre: float, scale: float) -> float | None:
    return 0.0 if abs(centre) <= NO_SPREAD * scale else None


def _larger_p(centre: float, error: float, degrees: float, margin: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(degrees, (abs(centre) - margin) / error))
