"""The sign-flip test: exact at any number of pairs, for values on a coarse grid.

A t test needs spread; the largest stable learning rate of a sweep has few values, and
often the same one in every seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, log2

_DIGITS = 12
"""Decimals that sums are told apart by."""

_ROUNDING = 1e-9


def sign_flip_p(differences: Sequence[float], *, is_one_sided: bool = False) -> float:
    """Returns the p that the differences are symmetric about 0.

    The share of the 2^n choices of signs whose sum is at least as far from 0 as the one
    observed; one-sided, at least as large. Its smallest value is 2^(1 - n), or 2^-n one-sided:
    six pairs are the fewest for a two-sided p <= 0.05.

    Source: Fisher 1935, The Design of Experiments, section 21.
    """
    sums = Counter({0.0: 1})
    for value in differences:
        flipped: Counter[float] = Counter()
        for total, ways in sums.items():
            for signed in (value, -value):
                flipped[round(total + signed, _DIGITS)] += ways
        sums = flipped
    observed = sum(differences)
    if is_one_sided:
        found = sum(ways for total, ways in sums.items() if total >= observed - _ROUNDING)
    else:
        far = abs(observed) - _ROUNDING
        found = sum(ways for total, ways in sums.items() if abs(total) >= far)
    return float(found / 2 ** len(differences))


def fewest_pairs(significance: float) -> int:
    """Returns how many pairs must agree for the test to reach the significance."""
    return ceil(1 + log2(1 / significance))
