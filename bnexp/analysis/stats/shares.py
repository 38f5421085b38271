"""How often runs diverge: shares of runs, compared exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import comb, exp, hypot, lgamma, sqrt
from statistics import NormalDist

from bnexp.analysis.stats.intervals import Interval
from bnexp.analysis.stats.power import check_probability

_MOST_SEEDS = 200
_WINDOW = 6
"""Numbers of runs in a row that must all have the power."""


@dataclass(frozen=True)
class Count:
    """How many of `n` runs something happened to.

    Raises:
        ValueError: `events` does not lie between 0 and `n`.
    """

    events: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.n:
            raise ValueError(f"{self.events} of {self.n} is not a count")


def fisher_exact(treatment: Count, control: Count) -> float:
    """Returns Fisher's exact two-sided p that both counts have the same share.

    It is the probability, given both totals, of all tables that are at most as
    probable as the one at hand. Whole numbers are compared, so nothing is rounded.

    Source: Fisher 1935, The logic of inductive inference.
    """
    events = treatment.events + control.events
    possible = range(max(0, events - control.n), min(treatment.n, events) + 1)
    ways = [comb(treatment.n, count) * comb(control.n, events - count) for count in possible]
    observed = ways[treatment.events - possible.start]
    return sum(way for way in ways if way <= observed) / sum(ways)


def share_difference(treatment: Count, control: Count, confidence: float = 0.95) -> Interval | None:
    """Returns the interval of treatment's share minus control's, or None if one has no run.

    It joins the score intervals of the two shares; it stays within [-1, 1] and has a
    width even if nothing or everything happened.

    Source: Newcombe 1998, Interval estimation for the difference between independent
    proportions, method 10.
    """
    if not treatment.n or not control.n:
        return None
    first, second = _score_interval(treatment, confidence), _score_interval(control, confidence)
    share, other = treatment.events / treatment.n, control.events / control.n
    return Interval(
        share - other - hypot(share - first.low, second.high - other),
        share - other + hypot(first.high - share, other - second.low),
    )


def share_p(treatment: Count, control: Count, value: float, sign: int) -> float:
    """Returns the p that the difference of the shares does not exceed a value.

    With sign -1: that it is not below it. It is the smallest level, to 1e-6, at which the
    one-sided end of Newcombe's interval lies beyond the value; 1 if no level below 0.5 does.
    """
    low, high = 0.0, 0.5
    while high - low > 1e-6:
        middle = (low + high) / 2
        interval = share_difference(treatment, control, 1 - 2 * middle)
        end = (interval.low if sign > 0 else interval.high) if interval else value
        low, high = (low, middle) if sign * (end - value) > 0 else (middle, high)
    return high if high < 0.5 else 1.0


def fisher_power(
    share_treatment: float, share_control: float, n: int, significance: float = 0.05
) -> float:
    """Returns the exact power of Fisher's two-sided test of `n` runs per arm.

    It adds up the probabilities of all pairs of counts with p <= significance.

    Raises:
        ValueError: A share lies outside [0, 1], or the significance outside (0, 1).
    """
    _check_shares(share_treatment, share_control)
    check_probability("significance", significance)
    treatment, control = _binomial(n, share_treatment), _binomial(n, share_control)
    bounds = _rejection_bounds(n, significance)
    return min(1.0, _exceeding(treatment, control, bounds) + _exceeding(control, treatment, bounds))


def seeds_for_fisher_power(
    share_treatment: float, share_control: float, power: float = 0.8, significance: float = 0.05
) -> int | None:
    """Returns the fewest runs per arm that give Fisher's test the power, None beyond 200.

    Counts are whole, so one run more can lower the power: the number returned is the
    first from which on the power holds for it and for the next five.

    Raises:
        ValueError: A share lies outside [0, 1], or power or significance outside (0, 1).
    """
    _check_shares(share_treatment, share_control)
    check_probability("power", power)
    if share_treatment == share_control:
        return None
    n = 1
    while n <= _MOST_SEEDS:
        window = range(n + _WINDOW - 1, n - 1, -1)
        powers = (
            (size, fisher_power(share_treatment, share_control, size, significance))
            for size in window
        )
        last_miss = next((size for size, reached in powers if reached < power), None)
        if last_miss is None:
            return n
        n = last_miss + 1
    return None


def _score_interval(count: Count, confidence: float) -> Interval:
    """Returns Wilson's interval of a share (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    misses = count.n - count.events
    centre = count.events + z**2 / 2
    half = z * sqrt(z**2 / 4 + count.events * misses / count.n)
    low, high = (centre - half) / (count.n + z**2), (centre + half) / (count.n + z**2)
    return Interval(low if count.events else 0.0, high if misses else 1.0)


def _exceeding(more: list[float], fewer: list[float], bounds: tuple[int, ...]) -> float:
    """Returns the probability that the first count is so much larger that the test rejects."""
    tails = [*accumulate(reversed(more), initial=0.0)][::-1]
    return sum(chance * tails[bound] for chance, bound in zip(fewer, bounds, strict=True))


def _binomial(n: int, share: float) -> list[float]:
    """Returns the probability of 0, 1, … n events; in logarithms, so that no n overflows."""
    from scipy.special import xlog1py, xlogy

    ways = [lgamma(n + 1) - lgamma(count + 1) - lgamma(n - count + 1) for count in range(n + 1)]
    return [
        exp(way + float(xlogy(count, share) + xlog1py(n - count, -share)))
        for count, way in enumerate(ways)
    ]


@lru_cache(maxsize=1024)
def _rejection_bounds(n: int, significance: float) -> tuple[int, ...]:
    """Returns for each count of one arm the smallest larger count of the other that rejects.

    n + 1 if none does. Arms of one size make the distribution symmetric, so the
    two-sided p is twice the tail; and the bound never falls as the count rises.
    """
    row = [comb(n, count) for count in range(n + 1)]
    bounds, bound = [], 0
    for fewer in range(n + 1):
        bound = max(bound, fewer + 1)
        while bound <= n and _doubled_tail(row, fewer, bound) > significance:
            bound += 1
        bounds.append(bound)
    return tuple(bounds)


def _doubled_tail(row: list[int], fewer: int, more: int) -> float:
    n, events = len(row) - 1, fewer + more
    tail = sum(row[count] * row[events - count] for count in range(max(0, events - n), fewer + 1))
    return 2 * tail / comb(2 * n, events)


def _check_shares(*shares: float) -> None:
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"a share must lie between 0 and 1, but it is {share}")
