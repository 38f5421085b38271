"""How many seeds a t test takes to find an effect, and which effect it can find.

A t test's power is a probability of the noncentral t distribution; SciPy computes it.
Source: Cohen 1988, Statistical power analysis for the behavioral sciences, chapter 2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import atan2, cos, exp, fsum, hypot, log, pi, sin, sqrt

from bnexp.analysis.stats.intervals import welch_degrees

SIGNIFICANCE = 0.05
"""The adjusted p at or below which a test counts."""

POWER = 0.8
"""The chance of finding an effect that a number of seeds is asked for."""

_MOST_SEEDS = 100_000
_NODES = 64
"""Points of the integral over the ratio of two sample variances.

Its error is below 1e-6 from three seeds an arm, and below 0.002 with two.
"""


@dataclass(frozen=True)
class _Test:
    """A two-sided t test before its data are known: all that its power at an effect needs.

    Given the ratio of the sample variances, the difference over its error is a
    noncentral t of `degrees`; the test rejects beyond a cutoff that depends on that ratio.
    """

    error: float
    """The true standard error of the difference."""
    degrees: int
    cutoffs: tuple[tuple[float, float], ...]
    """Probability and critical value for each ratio; a single pair without a ratio."""

    def power(self, effect: float) -> float:
        """Returns the probability that the test rejects; without spread 1, and 0 of no effect."""
        if self.error == 0:
            return float(effect != 0)
        return self.power_of_shift(abs(effect) / self.error)

    def power_of_shift(self, shift: float) -> float:
        """Returns the power at an effect of so many standard errors, which must not be 0."""
        return sum(
            weight * _rejection(self.degrees, shift, cutoff) for weight, cutoff in self.cutoffs
        )


def paired_power(effect: float, spread: float, n: int, significance: float = SIGNIFICANCE) -> float:
    """Returns the power of the two-sided paired t test of `n` pairs.

    `effect` and `spread`, the standard deviation of the paired differences, are in the
    same unit. Below two pairs there is no test, so the power is 0. Without spread it
    is 1 for any effect, and 0 for none.

    Raises:
        ValueError: The spread is below 0, or the significance not within (0, 1).
    """
    test = _paired_test(spread, n, significance)
    return test.power(effect) if test else 0.0


def welch_power(
    effect: float,
    spread_treatment: float,
    spread_control: float,
    n_treatment: int,
    n_control: int,
    significance: float = SIGNIFICANCE,
) -> float:
    """Returns the power of the two-sided Welch test; edge cases as in `paired_power`.

    Welch's degrees of freedom vary with the sample. The power is averaged over that,
    where the usual short cut, one noncentral t with the degrees of the true spreads,
    is off by up to 0.11 at three seeds an arm, and by up to 0.03 at five.

    Raises:
        ValueError: A spread is below 0, or the significance not within (0, 1).

    Source: Jan & Shieh 2011, Optimal sample sizes for Welch's test under various
    allocation and cost considerations.
    """
    test = _welch_test((spread_treatment, spread_control), (n_treatment, n_control), significance)
    return test.power(effect) if test else 0.0


def seeds_for_paired_power(
    effect: float, spread: float, power: float = POWER, significance: float = SIGNIFICANCE
) -> int | None:
    """Returns the fewest pairs, at least 2, whose paired t test has the power.

    None if there is no effect, or it takes more than 100,000.

    Raises:
        ValueError: The spread is below 0, or power or significance not within (0, 1).
    """
    _check_share("power", power)
    return _fewest(effect, power, lambda n: _paired_test(spread, n, significance))


def seeds_for_welch_power(
    effect: float,
    spread_treatment: float,
    spread_control: float,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> int | None:
    """Returns the fewest seeds an arm, the same in both, whose Welch test has the power.

    None if there is no effect, or it takes more than 100,000.

    Raises:
        ValueError: A spread is below 0, or power or significance not within (0, 1).
    """
    _check_share("power", power)
    spreads = (spread_treatment, spread_control)
    return _fewest(effect, power, lambda n: _welch_test(spreads, (n, n), significance))


def smallest_detectable_paired(
    spread: float, n: int, power: float = POWER, significance: float = SIGNIFICANCE
) -> float | None:
    """Returns the effect, in the spread's unit, that `n` pairs find with the power.

    None below two pairs; 0 without spread.

    Raises:
        ValueError: The spread is below 0, or power or significance not within (0, 1).
    """
    _check_share("power", power)
    return _smallest_effect(_paired_test(spread, n, significance), power)


def smallest_detectable_welch(
    spread_treatment: float,
    spread_control: float,
    n_treatment: int,
    n_control: int,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> float | None:
    """Returns the effect that the two arms find with the power by a Welch test.

    None below two seeds in an arm; 0 without spread.

    Raises:
        ValueError: A spread is below 0, or power or significance not within (0, 1).
    """
    _check_share("power", power)
    spreads, sizes = (spread_treatment, spread_control), (n_treatment, n_control)
    return _smallest_effect(_welch_test(spreads, sizes, significance), power)


def _paired_test(spread: float, n: int, significance: float) -> _Test | None:
    _check_share("significance", significance)
    _check_spread(spread)
    if n < 2:
        return None
    cutoff = _critical_value(n - 1, significance)
    return _Test(spread / sqrt(n), n - 1, ((1.0, cutoff),))


def _welch_test(
    spreads: tuple[float, float], sizes: tuple[int, int], significance: float
) -> _Test | None:
    _check_share("significance", significance)
    for spread in spreads:
        _check_spread(spread)
    if min(sizes) < 2:
        return None
    errors = [spread / sqrt(size) for spread, size in zip(spreads, sizes, strict=True)]
    error = hypot(*errors)
    if error == 0:
        return _Test(0.0, sum(sizes) - 2, ())
    # One share of the two sums of squares fixes the ratio of the sample variances. Their
    # total is independent of it and has the degrees of freedom of both together.
    if 0 in errors:
        size = sizes[0] if errors[0] else sizes[1]
        return _Test(error, size - 1, ((1.0, _critical_value(size - 1, significance)),))
    degrees = sum(sizes) - 2
    cutoffs = []
    for weight, shares in _shares_of_squares(sizes):
        sample_errors = [
            true / error * sqrt(share * degrees / (size - 1))
            for true, share, size in zip(errors, shares, sizes, strict=True)
        ]
        critical = _critical_value(welch_degrees(sample_errors, sizes), significance)
        cutoffs.append((weight, critical * hypot(*sample_errors)))
    return _Test(error, degrees, tuple(cutoffs))


def _shares_of_squares(sizes: tuple[int, int]) -> Iterator[tuple[float, tuple[float, float]]]:
    """Yields a probability with both arms' shares of their standardized sums of squares.

    The first arm's share has a beta distribution. As sin² of an angle it has much the
    same shape for all sizes: a bell of standard deviation 1 / √(2 · sum of sizes), or a
    piece of one. The midpoint rule takes its points closer together towards both ends,
    where few seeds or very unequal spreads make the integrand steep.
    """
    reach = 8 / sqrt(2 * sum(sizes))
    centre = atan2(sqrt(sizes[0] - 1), sqrt(sizes[1] - 1))
    low, high = max(0.0, centre - reach), min(pi / 2, centre + reach)
    places = [(node + 0.5) / _NODES for node in range(_NODES)]
    angles = [low + (high - low) * place**2 * (3 - 2 * place) for place in places]
    logs = [(sizes[0] - 2) * log(sin(x)) + (sizes[1] - 2) * log(cos(x)) for x in angles]
    highest = max(logs)
    weights = [
        exp(value - highest) * place * (1 - place)
        for value, place in zip(logs, places, strict=True)
    ]
    total = fsum(weights)
    for angle, weight in zip(angles, weights, strict=True):
        yield weight / total, (sin(angle) ** 2, cos(angle) ** 2)


def _critical_value(degrees: float, significance: float) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(degrees, significance / 2))


def _rejection(degrees: int, shift: float, cutoff: float) -> float:
    """Returns the probability that a noncentral t lies beyond ±cutoff."""
    return min(1.0, _tail(degrees, shift, cutoff) + _tail(degrees, -shift, cutoff))


def _tail(degrees: int, shift: float, cutoff: float) -> float:
    """Returns the probability that a noncentral t lies above the cutoff.

    A noncentral t is a normal number around `shift` over the root of a mean square.
    SciPy is asked only if the answer is not 0 or 1 within 1e-8, and where the normal
    number's own spread counts: elsewhere it may give NaN or take minutes.
    """
    from scipy.special import chdtr, chdtri, nctdtr

    largest, smallest = (sqrt(float(chdtri(degrees, p)) / degrees) for p in (1e-10, 1 - 1e-10))
    if shift > cutoff * largest + 6:
        return 1.0
    if shift < cutoff * smallest - 6:
        return 0.0
    if shift > 10_000:
        return float(chdtr(degrees, degrees * (shift / cutoff) ** 2))
    return float(nctdtr(degrees, -shift, -cutoff))


def _fewest(effect: float, power: float, test_of: Callable[[int], _Test | None]) -> int | None:
    def is_enough(n: int) -> bool:
        test = test_of(n)
        return test is not None and test.power(effect) >= power

    return None if effect == 0 else find_fewest(is_enough)


def find_fewest(is_enough: Callable[[int], bool]) -> int | None:
    """Returns the smallest number of seeds, at least 2, that is enough; None beyond 100,000.

    More than enough must be enough too.
    """
    counts = range(2, _MOST_SEEDS + 1)
    found = bisect_left(counts, True, key=is_enough)
    return counts[found] if found < len(counts) else None


def _smallest_effect(test: _Test | None, power: float) -> float | None:
    if test is None:
        return None
    if test.error == 0 or test.power(0.0) >= power:
        return 0.0
    # In standard errors: between two effects near the smallest float there is no middle.
    low, high = 0.0, 1.0
    while test.power_of_shift(high) < power:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if test.power_of_shift(middle) >= power else (middle, high)
    return high * test.error


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, but it is {value}")


def _check_spread(spread: float) -> None:
    if not spread >= 0:
        raise ValueError(f"a spread is a standard deviation, at least 0, but it is {spread}")
