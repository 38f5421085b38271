"""Intervals and tests on a handful of seeds: t intervals, paired and Welch differences, Holm.

Means and standard deviations come from the standard library's exact arithmetic, so
they don't depend on the order of the values; the t distribution comes from SciPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import hypot, sqrt
from statistics import mean, stdev
from typing import NamedTuple, TypeVar

P = TypeVar("P", float, float | None)

Values = Mapping[int, float]
"""The value of each seed."""

NO_SPREAD = 1e-13
"""A standard deviation below this share of the values is rounding, not spread."""


class Interval(NamedTuple):
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """What changes from one side to the other, with what a test says of it."""

    mean: float
    """The difference of the two sides' means."""
    interval: Interval | None
    """The 95 % interval of the mean, None if untestable."""
    p: float | None
    """The two-sided p that there is no difference, None if untestable."""
    n: int
    """Pairs of seeds if they pair, else the runs of both sides together."""
    by_seed: Values = field(default_factory=dict)
    """The difference of each common seed; empty if the seeds don't pair."""

    @property
    def is_paired(self) -> bool:
        """Whether the seeds were compared one by one."""
        return bool(self.by_seed)

    @property
    def ci_low(self) -> float | None:
        """The lower end of the interval."""
        return self.interval.low if self.interval else None

    @property
    def ci_high(self) -> float | None:
        """The upper end of the interval."""
        return self.interval.high if self.interval else None


@dataclass(frozen=True, kw_only=True)
class DifferenceEstimate(Effect):
    """A difference of two means with its standard error: all that other t tests of it need.

    A test needs two values per side, and some spread: if every difference is the same and
    not zero, the t statistic is infinite and would claim a certainty that the values cannot
    give, so there is no interval and no p.
    """

    samples: tuple[tuple[float, ...], ...]
    """The paired differences, or the values of both sides."""
    error: float | None = None
    """The standard error; 0 without spread, None with fewer than two values on a side."""
    degrees: float = 1.0
    """Degrees of freedom of the error."""

    @property
    def is_zero(self) -> bool:
        """Whether there is no difference at all, in any value."""
        return self.error == 0 and self.mean == 0

    def one_sided_p(self, value: float, sign: int) -> float:
        """Returns the p that the true difference does not exceed a value; 1 without spread.

        With sign -1: that it is not below it.
        """
        from scipy.special import stdtr

        if not self.error:
            return 1.0
        return float(stdtr(self.degrees, -sign * (self.mean - value) / self.error))

    def interval_at(self, confidence: float) -> Interval | None:
        """Returns the interval of another confidence; None if there is none at 95 %."""
        if self.interval is None or not self.error:
            return self.interval
        return _interval(self.mean, self.error, self.degrees, confidence)


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
    differences = tuple(after - before for after, before in zip(treatment, control, strict=True))
    if not differences:
        raise ValueError("a paired difference needs at least one pair")
    return _estimate(mean(differences), (differences,), (*treatment, *control))


def welch_difference(treatment: Sequence[float], control: Sequence[float]) -> DifferenceEstimate:
    """Returns the difference of two independent means, to be tested by Welch's test.

    Raises:
        ValueError: One of the two is empty.
    """
    if not (treatment and control):
        raise ValueError("a difference of means needs at least one value per side")
    samples = (tuple(treatment), tuple(control))
    return _estimate(mean(treatment) - mean(control), samples, (*treatment, *control))


def compare_seeds(treatment: Values, control: Values) -> DifferenceEstimate:
    """Returns treatment minus control, each with at least one seed.

    Seeds pair if the sides have at least two in common, or one and a side has no other.
    """
    common = sorted(treatment.keys() & control.keys())
    if len(common) > 1 or (common and min(len(treatment), len(control)) < 2):
        after, before = ([side[seed] for seed in common] for side in (treatment, control))
        found = paired_difference(after, before)
        return replace(found, by_seed=dict(zip(common, found.samples[0], strict=True)))
    return welch_difference([*treatment.values()], [*control.values()])


def _estimate(
    centre: float, samples: tuple[tuple[float, ...], ...], values: Sequence[float]
) -> DifferenceEstimate:
    """Returns the estimate with mere rounding taken for 0."""
    sizes = [len(sample) for sample in samples]
    found = DifferenceEstimate(centre, None, None, sum(sizes), samples=samples)
    if min(sizes) < 2:
        return found
    errors = [stdev(sample) / sqrt(len(sample)) for sample in samples]
    error, rounding = hypot(*errors), NO_SPREAD * max(map(abs, values))
    if error > rounding:
        degrees = welch_degrees(errors, sizes) if len(sizes) > 1 else sizes[0] - 1
        interval, p = _interval(centre, error, degrees, 0.95), _t_test(centre, error, degrees)
        return replace(found, interval=interval, p=p, error=error, degrees=degrees)
    if abs(centre) > rounding:
        return replace(found, error=0.0)
    return replace(found, mean=0.0, interval=Interval(0.0, 0.0), p=1.0, error=0.0)


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


def _t_test(distance: float, error: float, degrees: float) -> float:
    """Returns the two-sided p of a mean that lies this far from the true one."""
    from scipy.special import stdtr

    return min(1.0, 2 * float(stdtr(degrees, -abs(distance) / error)))
