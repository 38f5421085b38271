"""Whether values are too skewed for a t test."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean

_FEWEST = 5
"""Values below which a skewness says nothing."""


def skewness(values: Sequence[float]) -> float:
    """Returns the adjusted Fisher-Pearson skewness of at least three values; 0 without spread.

    Formula: √(n(n−1)) / (n−2) · m₃ / m₂^(3/2), with the central moments mₖ over n.
    """
    n, centre = len(values), fmean(values)
    largest = max(abs(value - centre) for value in values) or 1.0
    scaled = [(value - centre) / largest for value in values]  # so that no power overflows
    second = fmean(value**2 for value in scaled)
    third = fmean(value**3 for value in scaled)
    return sqrt(n * (n - 1)) / (n - 2) * third / second**1.5 if second > 0 else 0.0


def is_heavily_skewed(values: Sequence[float]) -> bool:
    """Whether values are more skewed than 1, and than two standard errors of what normal ones are.

    Formula: its standard error is √(6n(n−1) / ((n−2)(n+1)(n+3))).
    """
    n = len(values)
    if n < _FEWEST:
        return False
    error = sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return abs(skewness(values)) > max(1.0, 2 * error)
