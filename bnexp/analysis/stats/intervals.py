"""Intervals and tests on a handful of seeds: t intervals, paired and Welch differences, Holm.

Means and standard deviations come from the standard library's exact arithmetic, so
they don't depend on the order of the values; the t distribution comes from SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from statistics import mean, stdev

NO_SPREAD = 1e-13
"""A standard deviation below this share of the values is rounding, not spread."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True)
class DifferenceEstimate:
    """A difference of two means with its interval and two-sided p, None where untestable.

    A test needs two values a side, and some spread: where every difference is the
    same and not zero, the t statistic is infinite and would claim a certainty that
    the values cannot give, so there is no interval and no p.
    """

    mean: float
    interval: Interval | None
    p: float | None


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Returns the t interval of the mean, or None for fewer than two values.

    Formula: m ± t(n - 1, (1 + confidence) / 2) · s / √n with s over n - 1.
    """
    if len(values) < 2:
        return None
    error = stdev(values) / sqrt(len(values))
    return _interval(mean(values), error, len(values) - 1, confidence)


def paired_difference(
    treatment: Sequence[float], control: Sequence[float], confidence: float = 0.95
) -> DifferenceEstimate:
    """Returns the mean of `treatment - control`, pair by pair, with its t interval and p.

    Raises:
        ValueError: There is no pair, or the two differ in length.
    """
    pairs = list(zip(treatment, control, strict=True))
    if not pairs:
        raise ValueError("a paired difference needs at least one pair")
    differences = [after - before for after, before in pairs]
    centre = mean(differences)
    if len(differences) < 2:
        return DifferenceEstimate(centre, None, None)
    error = stdev(differences) / sqrt(len(differences))
    scale = max(abs(value) for pair in pairs for value in pair)
    return _test(centre, error, len(differences) - 1, scale, confidence)


def welch_difference(
    treatment: Sequence[float], control: Sequence[float], confidence: float = 0.95
) -> DifferenceEstimate:
    """Returns the difference of two independent means with Welch's interval and p.

    The degrees of freedom are those of `welch_degrees`.

    Raises:
        ValueError: One of the two is empty.
    """
    if not treatment or not control:
        raise ValueError("a difference of means needs at least one value a side")
    centre = mean(treatment) - mean(control)
    if min(len(treatment), len(control)) < 2:
        return DifferenceEstimate(centre, None, None)
    scale = max(abs(value) for value in (*treatment, *control))
    errors = [stdev(values) / sqrt(len(values)) for values in (treatment, control)]
    error = hypot(*errors)
    if error <= NO_SPREAD * scale:
        return _test(centre, error, 1.0, scale, confidence)
    degrees = welch_degrees(errors, (len(treatment), len(control)))
    return _test(centre, error, degrees, scale, confidence)


def welch_degrees(errors: Sequence[float], sizes: Sequence[int]) -> float:
    """Returns the degrees of freedom that Welch's t has with these standard errors of the means.

    At least one of the errors must be above 0, and each size above 1.

    Source: Satterthwaite 1946, An approximate distribution of estimates of variance
    components.
    """
    total = hypot(*errors)
    shares = [(error / total) ** 2 for error in errors]
    return 1 / sum(share**2 / (size - 1) for share, size in zip(shares, sizes, strict=True))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Returns the p-values adjusted by Holm's step-down method, in the order given.

    Formula: with p(1) <= … <= p(m), the i-th becomes max over j <= i of
    min(1, (m - j + 1) · p(j)).

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def _test(
    centre: float, error: float, degrees: float, scale: float, confidence: float
) -> DifferenceEstimate:
    from scipy.special import stdtr

    if error <= NO_SPREAD * scale:
        if abs(centre) <= NO_SPREAD * scale:
            return DifferenceEstimate(0.0, Interval(0.0, 0.0), 1.0)
        return DifferenceEstimate(centre, None, None)
    p = min(1.0, 2 * float(stdtr(degrees, -abs(centre) / error)))
    return DifferenceEstimate(centre, _interval(centre, error, degrees, confidence), p)


def _interval(centre: float, error: float, degrees: float, confidence: float) -> Interval:
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return Interval(centre - half, centre + half)
