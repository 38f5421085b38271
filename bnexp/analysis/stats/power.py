"""How many seeds a t test takes to find an effect, and which effect it can find.

A t test's power is a probability of the noncentral t distribution; SciPy computes it.
Source: Cohen 1988, Statistical power analysis for the behavioral sciences, chapter 2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import atan2, cos, exp, fsum, hypot, log, pi, sin, sqrt
from statistics import stdev

from bnexp.analysis.stats.intervals import welch_degrees

SIGNIFICANCE = 0.05
"""The adjusted p at or below which a test counts."""

POWER = 0.8
"""The chance of finding an effect that a number of seeds is asked for."""

_MOST_SEEDS = 100_000
_NODES = 64
"""Points of the integral over the ratio of two sample variances.

Its error is below 1e-6 from three seeds per side, and below 0.002 with two.
"""


@dataclass(frozen=True)
class Design:
    """A two-sided t test to be made: a paired one of one sample, or Welch's of two.

    Raises:
        ValueError: A spread is below 0.
    """

    spreads: tuple[float, ...]
    """True standard deviation of the paired differences, or of the values of each side."""
    sizes: tuple[int, ...]
    """Pairs, or seeds of each side."""

    def __post_init__(self) -> None:
        for spread in self.spreads:
            if not spread >= 0:
                raise ValueError(f"a spread must be a standard deviation, at least 0, not {spread}")

    @classmethod
    def of(cls, *samples: Collection[float]) -> Design:
        """Returns the design of as many seeds with as much spread as these.

        The samples are the paired differences, or the values of both sides, two at least of each.
        """
        return cls(tuple(map(stdev, samples)), tuple(map(len, samples)))

    def power(self, effect: float, significance: float = SIGNIFICANCE) -> float:
        """Returns the power to find an effect, given in the unit of the spreads.

        Below two pairs, or two seeds per side, there is no test, so the power is 0. Without
        spread it is 1 for any effect, and 0 for none.

        Raises:
            ValueError: The significance is not within (0, 1).
        """
        test = self._test(significance)
        if test is None or test.error == 0:
            return float(test is not None and effect != 0)
        return test.power(abs(effect) / test.error)

    def seeds_needed(
        self, effect: float, power: float = POWER, significance: float = SIGNIFICANCE
    ) -> int | None:
        """Returns the fewest pairs, or seeds per side, at least 2, that find the effect.

        None if there is no effect, or it takes more than 100,000.

        Raises:
            ValueError: The power or the significance is not within (0, 1).
        """
        check_probability("power", power)
        if effect == 0:
            return None
        return self._fewest(lambda design: design.power(effect, significance) >= power)

    def seeds_for_equivalence(
        self, margin: float, power: float = POWER, significance: float = SIGNIFICANCE
    ) -> int | None:
        """Returns the fewest pairs, or seeds per side, that show a true difference of 0.

        That is, with which two one-sided tests find it within ±margin. None if it takes more
        than 100,000.
        """
        return self._fewest(lambda design: design._equivalence(margin, significance) >= power)

    def smallest_detectable(
        self, power: float = POWER, significance: float = SIGNIFICANCE
    ) -> float | None:
        """Returns the effect, in the unit of the spreads, that the test finds with the power.

        None below two pairs, or two seeds per side; 0 without spread.

        Raises:
            ValueError: The power or the significance is not within (0, 1).
        """
        check_probability("power", power)
        test = self._test(significance)
        if test is None:
            return None
        if test.error == 0 or test.power(0.0) >= power:
            return 0.0
        # In standard errors: between two effects near the smallest float there is no middle.
        low, high = 0.0, 1.0
        while test.power(high) < power:
            low, high = high, 2 * high
        while high - low > 1e-9 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if test.power(middle) >= power else (middle, high)
        return high * test.error

    def _fewest(self, is_enough: Callable[[Design], bool]) -> int | None:
        """Returns the smallest size that is enough; more than enough must be enough too."""
        counts = range(2, _MOST_SEEDS + 1)
        sizes = len(self.sizes)
        found = bisect_left(
            counts, True, key=lambda n: is_enough(Design(self.spreads, (n,) * sizes))
        )
        return counts[found] if found < len(counts) else None

    def _errors(self) -> list[float]:
        return [spread / sqrt(n) for spread, n in zip(self.spreads, self.sizes, strict=True)]

    def _test(self, significance: float) -> _Test | None:
        """Returns the test, or None with too few seeds for one.

        Welch's degrees of freedom vary with the sample. The power is averaged over that,
        since the usual short cut, one noncentral t with the degrees of the true spreads,
        is off by up to 0.11 at three seeds per side, and by up to 0.03 at five.

        Source: Jan & Shieh 2011, Optimal sample sizes for Welch's test under various
        allocation and cost considerations.
        """
        check_probability("significance", significance)
        if min(self.sizes) < 2:
            return None
        errors, sizes = self._errors(), self.sizes
        error = hypot(*errors)
        if len(sizes) == 1 or 0 in errors:
            # A side without spread leaves the test of the other one.
            degrees = sizes[errors.index(max(errors))] - 1
            return _Test(error, degrees, ((1.0, _critical_value(degrees, significance)),))
        # One share of the two sums of squares fixes the ratio of the sample variances. Their
        # total is independent of it and has the degrees of freedom of both together.
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

    def _equivalence(self, margin: float, significance: float) -> float:
        """Returns the chance that both one-sided tests reject if the true difference is 0.

        Both do if |mean| < margin - t · error; the mean over its error is taken to follow
        Student's t, which is close unless the power is small.

        Source: Schuirmann 1987, A comparison of the two one-sided tests procedure; Phillips
        1990 gives the exact integral.
        """
        from scipy.special import stdtr, stdtrit

        errors = self._errors()
        error = hypot(*errors)
        if error == 0:
            return 1.0
        degrees = welch_degrees(errors, self.sizes)
        room = margin / error - float(stdtrit(degrees, 1 - significance))
        return max(0.0, 2 * float(stdtr(degrees, room)) - 1)


@dataclass(frozen=True)
class _Test:
    """All that the power of a test at an effect needs.

    Given the ratio of the sample variances, the difference over its error is a
    noncentral t of `degrees`; the test rejects beyond a cutoff that depends on that ratio.
    """

    error: float
    """The true standard error of the difference."""
    degrees: int
    cutoffs: tuple[tuple[float, float], ...]
    """Probability and critical value for each ratio; a single pair without a ratio."""

    def power(self, shift: float) -> float:
        """Returns the probability that it rejects at an effect of so many standard errors."""
        return sum(
            weight * _rejection(self.degrees, shift, cutoff) for weight, cutoff in self.cutoffs
        )


def _shares_of_squares(sizes: tuple[int, ...]) -> Iterator[tuple[float, tuple[float, float]]]:
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
    SciPy is asked only if the answer is not 0 or 1 within 1e-8, and if the normal
    number's own spread counts: otherwise it may give NaN or take minutes.
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


def check_probability(name: str, value: float) -> None:
    """Refuses a power or significance that is not within (0, 1), by a ValueError."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, but it is {value}")
