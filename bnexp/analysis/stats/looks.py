"""What repeated looks at growing data cost: p-values of one look made valid for all of them.

At every planned look the test has the same level, smaller than 5 %, such that the looks together
err in at most 5 % of experiments without an effect. A p is turned into the smallest overall
level at which its look would have ended the experiment, which is what Holm's method needs. The
levels are simulated by `scripts/simulate_looks.py`.
Source: Pocock 1977, Group sequential methods in the design and analysis of clinical trials.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from math import exp, log
from typing import Literal

LEVELS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.025, 0.05 / 3, 0.01, 0.005, 0.0025, 0.001, 0.0005)
"""One-sided overall levels, for each of which the table holds that of a single look."""

TUNING_SEEDS = 2
"""How many seeds choose the axis values of a reduction, unless a claim names others."""

TestKind = Literal["paired", "welch", "exact"]
"""The paired t test, Welch's, or a test whose p-values have no more to them than a few runs."""


def overall_p(
    p: float, looks: Sequence[int], test: TestKind, *, is_one_sided: bool = False
) -> float:
    """Returns the smallest overall level at which a look with this p would end the experiment.

    With one look that is p itself. For exact tests, and below the table's smallest level,
    it is p times the number of looks (Bonferroni). A two-sided test is two one-sided ones.
    """
    if len(looks) < 2:
        return p
    if not is_one_sided:
        return min(1.0, 2 * overall_p(p / 2, looks, test, is_one_sided=True))
    bound = min(1.0, len(looks) * p)
    if test == "exact":
        return bound
    points = _curve(tuple(looks), test)
    if p < points[0][0]:
        return min(bound, points[0][1])
    for (low, below), (high, above) in pairwise(points):
        if p <= high:
            return min(bound, _between(p, low, high, below, above))
    return 1.0


def nominal_level(
    level: float, looks: Sequence[int], test: TestKind, *, is_one_sided: bool = False
) -> float:
    """Returns the level of a single look such that all of them together err at `level`."""
    if len(looks) < 2:
        return level
    if not is_one_sided:
        return 2 * nominal_level(level / 2, looks, test, is_one_sided=True)
    least = level / len(looks)
    if test == "exact":
        return least
    points = _curve(tuple(looks), test)
    if level < points[0][1]:
        return least
    for (low, below), (high, above) in pairwise(points):
        if level <= above:
            return max(least, _between(level, below, above, low, high))
    return 1.0


def table_key(looks: Sequence[int], test: str) -> str:
    """Returns what the table calls a design."""
    return f"{test} {' '.join(map(str, looks))}"


@functools.cache
def _curve(looks: tuple[int, ...], test: TestKind) -> tuple[tuple[float, float], ...]:
    """Returns the level of one look and of all of them, rising, up to 1 and 1."""
    from bnexp.analysis.stats.look_levels import NOMINAL  # large, and seldom needed

    nominal = NOMINAL.get(table_key(looks, test))
    if nominal is None:  # looks that no config asks for: Bonferroni
        nominal = tuple(level / len(looks) for level in LEVELS)
    return (*sorted(zip(nominal, LEVELS, strict=True)), (1.0, 1.0))


def _between(x: float, low: float, high: float, below: float, above: float) -> float:
    """Returns the value at x, straight in logarithms from (low, below) to (high, above)."""
    share = log(x / low) / log(high / low)
    return exp(log(below) + share * log(above / below))
