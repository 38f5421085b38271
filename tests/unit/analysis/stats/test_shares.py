"""Oracles: SciPy's Fisher test over all small tables, Newcombe's published examples."""

from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.shares import (
    Count,
    fisher_exact,
    fisher_power,
    seeds_for_fisher_power,
    share_difference,
)

COUNTS = st.integers(1, 60).flatmap(
    lambda n: st.integers(0, n).map(lambda events: Count(events, n))
)


@cache
def scipys_p(treatment, control):
    rows = [[count.events, count.n - count.events] for count in (treatment, control)]
    return stats.fisher_exact(rows).pvalue


def enumerated_power(share, other, n, significance):
    """The power, added up over every pair of counts, with SciPy's test and binomials."""
    counts = range(n + 1)
    return sum(
        stats.binom.pmf(a, n, share) * stats.binom.pmf(b, n, other)
        for a, b in product(counts, counts)
        if scipys_p(Count(a, n), Count(b, n)) <= significance * (1 + 1e-12)
    )


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("m", range(1, 9))
def test_fishers_p_is_scipys_for_every_small_table(n, m):
    for a, b in product(range(n + 1), range(m + 1)):
        treatment, control = Count(a, n), Count(b, m)
        assert fisher_exact(treatment, control) == pytest.approx(scipys_p(treatment, control))


def test_fishers_p_of_the_lady_who_tasted_tea():
    # Fisher 1935: 3 of 4 right both ways has probability 17/70 one-sided, 34/70 two-sided.
    assert fisher_exact(Count(3, 4), Count(1, 4)) == pytest.approx(34 / 70)


def test_three_of_three_against_none_of_three_is_one_table_of_ten():
    assert fisher_exact(Count(3, 3), Count(0, 3)) == 0.1


def test_fishers_p_of_thousands_of_runs_is_scipys():
    treatment, control = Count(130, 3000), Count(180, 2800)
    assert fisher_exact(treatment, control) == pytest.approx(scipys_p(treatment, control))


@pytest.mark.parametrize("events", [0, 5])
def test_counts_that_are_all_or_nothing_in_both_arms_show_no_difference(events):
    assert fisher_exact(Count(events, 5), Count(events, 5)) == 1.0


def test_an_arm_without_runs_shows_no_difference():
    assert fisher_exact(Count(0, 0), Count(2, 5)) == 1.0


@given(COUNTS, COUNTS)
def test_swapping_arms_or_events_leaves_fishers_p(treatment, control):
    p = fisher_exact(treatment, control)
    misses = [Count(count.n - count.events, count.n) for count in (treatment, control)]

    assert fisher_exact(control, treatment) == p
    assert fisher_exact(*misses) == p
    assert 0 < p <= 1


@pytest.mark.parametrize(
    ("treatment", "control", "low", "high"),
    [
        (Count(56, 70), Count(48, 80), 0.0524, 0.3339),
        (Count(9, 10), Count(3, 10), 0.1705, 0.8090),
        (Count(6, 7), Count(2, 7), 0.0582, 0.8062),
        (Count(5, 56), Count(0, 29), -0.0381, 0.1926),
        (Count(0, 10), Count(0, 20), -0.1611, 0.2775),
        (Count(0, 10), Count(0, 10), -0.2775, 0.2775),
        (Count(10, 10), Count(0, 20), 0.6791, 1.0),
        (Count(10, 10), Count(0, 10), 0.6075, 1.0),
    ],
)
def test_the_intervals_are_those_that_newcombe_published(treatment, control, low, high):
    interval = share_difference(treatment, control)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_an_arm_without_runs_has_no_interval():
    assert share_difference(Count(0, 0), Count(1, 5)) is None
    assert share_difference(Count(1, 5), Count(0, 0)) is None


@given(COUNTS, COUNTS)
def test_swapping_the_arms_mirrors_the_interval(treatment, control):
    interval, mirrored = share_difference(treatment, control), share_difference(control, treatment)
    difference = treatment.events / treatment.n - control.events / control.n

    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low))
    assert -1 - 1e-12 <= interval.low <= difference <= interval.high <= 1 + 1e-12


@given(COUNTS, COUNTS)
def test_more_confidence_never_makes_the_interval_narrower(treatment, control):
    usual, wide = (share_difference(treatment, control, level) for level in (0.95, 0.99))

    assert wide.low <= usual.low + 1e-12
    assert wide.high >= usual.high - 1e-12


@pytest.mark.parametrize("n", [1, 2, 4, 5, 8, 13])
@pytest.mark.parametrize("significance", [0.05, 0.1, 0.3])
def test_fishers_power_adds_up_every_pair_of_counts(n, significance):
    for share, other in [(0.9, 0.1), (0.5, 0.3), (0.0, 0.6), (1.0, 0.0), (0.2, 0.2)]:
        expected = enumerated_power(share, other, n, significance)
        assert fisher_power(share, other, n, significance) == pytest.approx(expected, abs=1e-12)


def test_a_p_just_at_the_significance_counts_as_found():
    assert fisher_power(1.0, 0.0, 3, significance=0.1) == 1.0
    assert fisher_power(1.0, 0.0, 3, significance=0.0999) == 0.0


def test_four_runs_an_arm_are_the_fewest_that_can_show_anything():
    assert fisher_power(1.0, 0.0, 3) == 0.0
    assert fisher_power(1.0, 0.0, 4) == 1.0


def test_no_runs_have_no_power():
    assert fisher_power(1.0, 0.0, 0) == 0.0


def test_fishers_power_is_the_share_of_simulated_experiments_that_find_the_difference():
    generator = np.random.default_rng(0)
    pairs = generator.binomial(20, [0.6, 0.2], (4000, 2)).tolist()

    found = np.mean([fisher_exact(Count(a, 20), Count(b, 20)) <= 0.05 for a, b in pairs])

    power = fisher_power(0.6, 0.2, 20)
    assert abs(found - power) <= 3 * np.sqrt(power * (1 - power) / 4000)


def test_many_runs_do_not_overflow():
    # By the normal approximation of the arcsine-transformed shares 0.9960.
    assert fisher_power(0.5, 0.4, 1050) == pytest.approx(0.9960, abs=0.002)


def test_swapping_the_shares_or_counting_the_others_leaves_the_power():
    assert fisher_power(0.3, 0.7, 9) == pytest.approx(fisher_power(0.7, 0.3, 9))
    assert fisher_power(0.1, 0.6, 9) == pytest.approx(fisher_power(0.9, 0.4, 9))


def test_certain_divergence_against_none_takes_four_runs_an_arm():
    assert seeds_for_fisher_power(1.0, 0.0) == 4


@pytest.mark.parametrize("shares", [(0.6, 0.0), (0.5, 0.1), (0.9, 0.4), (0.3, 0.05)])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_runs_found_are_the_first_of_six_sizes_in_a_row_with_the_power(shares, power):
    powers = [fisher_power(*shares, n) for n in range(206)]
    expected = next(n for n in range(1, 201) if min(powers[n : n + 6]) >= power)

    assert seeds_for_fisher_power(*shares, power) == expected


def test_one_size_that_happens_to_have_the_power_is_not_enough():
    assert fisher_power(0.95, 0.1, 5) >= 0.8 > fisher_power(0.95, 0.1, 6)
    assert seeds_for_fisher_power(0.95, 0.1) == 7


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.49), (0.0, 0.0), (0.5, 0.37)])
def test_shares_too_close_for_200_runs_have_no_number(shares):
    assert seeds_for_fisher_power(*shares) is None


@pytest.mark.parametrize(("events", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_an_impossible_count_is_refused(events, n):
    with pytest.raises(ValueError, match="not a count"):
        Count(events, n)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(share):
    with pytest.raises(ValueError, match="a share must lie"):
        fisher_power(share, 0.5, 5)
    with pytest.raises(ValueError, match="a share must lie"):
        seeds_for_fisher_power(0.5, share)


def test_a_power_or_significance_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match="power must lie"):
        seeds_for_fisher_power(0.5, 0.1, power=1.0)
    with pytest.raises(ValueError, match="significance must lie"):
        fisher_power(0.5, 0.1, 5, significance=0.0)
