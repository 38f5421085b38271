"""Intervals and tests on a handful of seeds: t intervals, paired and Welch differences, Holm.

Means and standard deviations come from the standard library's exact arithmetic, so
they don't depend on the order of the values; the t distribution comes from SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, sqrt
from statistics import mean, stdev
from typing import TypeVar

P = TypeVar("P", float, float | None)

NO_SPREAD = 1e-13
"""A standard deviation below this share of the values is rounding, not spread."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True)
class DifferenceEstimate:
    """A difference of two means with its standard error: all that a t test of it needs.

    A test needs two values per side, and some spread: if every difference is the same and
    not zero, the t statistic is infinite and would claim a certainty that the values cannot
    give, so there is no interval and no p.
    """

    mean: float
    error: float | None = None
    """The standard error; 0 without spread, None with fewer than two values on a side."""
    degrees: float = 1.0
    """Degrees of freedom of the error."""

    @property
    def interval(self) -> Interval | None:
        """The 95 % t interval, None if untestable."""
        if self.error:
            return _interval(self.mean, self.error, self.degrees, 0.95)
        return Interval(0.0, 0.0) if self.is_zero else None

    @property
    def is_zero(self) -> bool:
        """Whether there is no difference at all, in any value."""
        return self.error == 0 and self.mean == 0

    @property
    def p(self) -> float | None:
        """The two-sided p that the true difference is 0, None if untestable."""
        return 1.0 if self.is_zero else self.p_of(0.0)

    def p_of(self, value: float) -> float | None:
        """Returns the two-sided p that the true difference is this value; None without spread."""
        from scipy.special import stdtr

        if not self.error:
            return None
        return min(1.0, 2 * float(stdtr(self.degrees, -abs(self.mean - value) / self.error)))


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Returns the t interval of the mean, or None for fewer than two values.

    Formula: m ± t(n - 1, (1 + confidence) / 2) · s / √n with s over n - 1.
    """
    if len(values) < 2:
        return None
    error = stdev(values) / sqrt(len(values))
    return _interval(mean(values), error, len(values) - 1, confidence)


def paired_difference(treatment: Sequence[float], control: Sequence[float]) -> DifferenceEstimate:
    """Returns the mean of `treatment - control`, pair by pair.

    Raises:
        ValueError: There is no pair, or the two differ in length.
    """
    differences = [after - before for after, before in zip(treatment, control, strict=True)]
    if not differences:
        raise ValueError("a paired difference needs at least one pair")
    if len(differences) < 2:
        return DifferenceEstimate(mean(differences))
    error = stdev(differences) / sqrt(len(differences))
    return _estimate(mean(differences), error, (treatment, control), len(differences) - 1)


def welch_difference(treatment: Sequence[float], control: Sequence[float]) -> DifferenceEstimate:
    """Returns the difference of two independent means, to be tested by Welch's test.

    Raises:
        ValueError: One of the two is empty.
    """
    sides = (treatment, control)
    if not all(sides):
        raise ValueError("a difference of means needs at least one value per side")
    centre = mean(treatment) - mean(control)
    sizes = [len(values) for values in sides]
    if min(sizes) < 2:
        return DifferenceEstimate(centre)
    errors = [stdev(values) / sqrt(len(values)) for values in sides]
    found = _estimate(centre, hypot(*errors), sides, 1.0)
    return replace(found, degrees=welch_degrees(errors, sizes)) if found.error else found


def _estimate(
    centre: float, error: float, sides: Sequence[Sequence[float]], degrees: float
) -> DifferenceEstimate:
    """Returns the estimate with mere rounding taken for 0."""
    rounding = NO_SPREAD * max(abs(value) for values in sides for value in values)
    if error > rounding:
        return DifferenceEstimate(centre, error, degrees)
    return DifferenceEstimate(0.0 if abs(centre) <= rounding else centre, 0.0)


def welch_degrees(errors: Sequence[float], sizes: Sequence[int]) -> float:
    """Returns the degrees of freedom that Welch's t has with these standard errors of the means.

    At least one of the errors must be above 0, and each size above 1.

    Source: Satterthwaite 1946, An approximate distribution of estimates of variance
    components.
    """
    total = hypot(*errors)
    shares = [(error / total) ** 2 for error in errors]
    return 1 / sum(share**2 / (size - 1) for share, size in zip(shares, sizes, strict=True))


def holm(p_values: Sequence[P], family: int | None = None) -> tuple[P, ...]:
    """Returns the p-values adjusted by Holm's step-down method, in the order given.

    None stays None. The family is the p-values that are not None; a larger `family` counts
    tests that have no p yet as the least significant ones.

    Formula: with p(1) <= … <= p(m), the i-th becomes max over j <= i of
    min(1, (m - j + 1) · p(j)).

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted, highest = list(p_values), 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, ((family or len(known)) - rank) * p))
        adjusted[index] = highest
    return tuple(adjusted)


def _interval(centre: float, error: float, degrees: float, confidence: float) -> Interval:
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return Interval(centre - half, centre + half)
