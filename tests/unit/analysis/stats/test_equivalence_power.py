import random

import numpy as np
import pytest
from scipy import stats

from bnexp.analysis.stats.equivalence_power import (
    seeds_for_paired_equivalence,
    seeds_for_welch_equivalence,
)

EXPERIMENTS = 4000


def share_shown_equivalent(n, margin, spread, source):
    """Simulates paired differences with mean 0 and runs two one-sided t tests on each."""
    values = source.normal(0, spread, (EXPERIMENTS, n))
    error = values.std(axis=1, ddof=1) / np.sqrt(n)
    larger = np.abs(values.mean(axis=1))
    return np.mean((margin - larger) / error >= stats.t.ppf(0.95, n - 1))


@pytest.mark.parametrize(("margin", "spread"), [(0.01, 0.01), (0.01, 0.02), (0.5, 0.4)])
def test_the_seeds_found_have_the_power_and_fewer_have_not(margin, spread):
    source = np.random.default_rng(7)
    n = seeds_for_paired_equivalence(margin, spread)

    assert share_shown_equivalent(n, margin, spread, source) >= 0.78
    assert share_shown_equivalent(n - 2, margin, spread, source) < 0.8


def test_unpaired_seeds_take_about_twice_as_many_a_side():
    # The variance of a difference of two independent runs is the sum of their variances.
    assert seeds_for_welch_equivalence(0.01, 0.01, 0.01) == pytest.approx(
        seeds_for_paired_equivalence(0.01, 0.01 * 2**0.5), abs=1
    )


def test_no_spread_takes_the_fewest_seeds_and_hopeless_ones_are_not_counted():
    assert seeds_for_paired_equivalence(0.01, 0.0) == 2
    assert seeds_for_paired_equivalence(0.001, 100.0) is None


def test_more_spread_never_takes_fewer_seeds():
    source = random.Random(0)
    spreads = sorted(source.uniform(0.001, 0.1) for _ in range(50))
    seeds = [seeds_for_paired_equivalence(0.01, spread) for spread in spreads]
    assert seeds == sorted(seeds)
