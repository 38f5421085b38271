"""Oracles: SciPy's one-sided t tests of shifted values, and confidence intervals."""

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import paired_difference, welch_degrees, welch_difference
from bnexp.analysis.stats.power import Design

BATCH = [0.712, 0.705, 0.721, 0.698, 0.731]
GROUP = [0.709, 0.711, 0.713, 0.702, 0.722]

SHARES = st.integers(0, 1000).map(lambda value: value / 1000)
PAIRS = st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=8)


def one_sided(test, treatment, control, margin, **options):
    lower = test([x + margin for x in treatment], control, alternative="greater", **options)
    upper = test([x - margin for x in treatment], control, alternative="less", **options)
    return lower.pvalue, upper.pvalue


@pytest.mark.parametrize("margin", [0.001, 0.005, 0.01, 0.05, 1.0])
@pytest.mark.parametrize("n", [2, 5])
def test_paired_equivalence_is_the_larger_of_scipys_one_sided_ps(margin, n):
    expected = max(one_sided(stats.ttest_rel, BATCH[:n], GROUP[:n], margin))

    assert equivalence_p(paired_difference(BATCH[:n], GROUP[:n]), margin) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("margin", [0.001, 0.005, 0.01, 0.05, 1.0])
@pytest.mark.parametrize("control", [GROUP, GROUP[:2], [0.7, 0.7, 0.7001]])
def test_welch_equivalence_is_the_larger_of_scipys_one_sided_ps(margin, control):
    expected = max(one_sided(stats.ttest_ind, BATCH, control, margin, equal_var=False))

    assert equivalence_p(welch_difference(BATCH, control), margin) == pytest.approx(
        expected, rel=1e-9
    )


def test_a_hand_worked_pair_of_tests():
    # Differences 1 and 3: mean 2, error 1, one degree of freedom. (2 - 3) / 1 = -1, and
    # Student's t with one degree of freedom is below -1 with probability 1/4.
    assert equivalence_p(paired_difference([2.0, 5.0], [1.0, 2.0]), margin=3.0) == pytest.approx(
        0.25
    )


def test_a_mean_just_on_the_margin_has_p_one_half():
    assert equivalence_p(paired_difference([2.0, 5.0], [1.0, 2.0]), margin=2.0) == pytest.approx(
        0.5
    )


def test_p_is_at_most_5_percent_just_where_the_90_percent_interval_lies_within_the_margins():
    interval = stats.ttest_rel(BATCH, GROUP).confidence_interval(0.9)
    touching = max(abs(interval.low), abs(interval.high))

    assert equivalence_p(paired_difference(BATCH, GROUP), touching) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("difference", [paired_difference, welch_difference])
def test_one_seed_is_no_test(difference):
    assert equivalence_p(difference([0.7], [0.7]), 0.01) is None


def test_welch_needs_two_values_on_both_sides():
    assert equivalence_p(welch_difference(BATCH, [0.7]), 0.01) is None


@pytest.mark.parametrize("difference", [paired_difference, welch_difference])
def test_equal_values_are_equivalent_for_certain(difference):
    assert equivalence_p(difference([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]), 0.01) == 0.0


def test_equal_pairs_are_equivalent_for_certain():
    assert equivalence_p(paired_difference(BATCH, BATCH), 1e-6) == 0.0


def test_pairs_with_one_and_the_same_difference_are_not_tested():
    assert equivalence_p(paired_difference([0.6, 0.7, 0.8], [0.5, 0.6, 0.7]), 0.5) is None


def test_constant_unequal_samples_are_not_tested():
    assert equivalence_p(welch_difference([0.2, 0.2], [0.1, 0.1]), 0.5) is None


def test_values_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="zip"):
        equivalence_p(paired_difference([0.1, 0.2], [0.1]), 0.1)


@pytest.mark.parametrize("difference", [paired_difference, welch_difference])
@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan")])
def test_a_margin_that_is_not_above_zero_is_refused(difference, margin):
    with pytest.raises(ValueError, match="above 0"):
        equivalence_p(difference(BATCH, GROUP), margin)


@given(PAIRS, st.randoms(use_true_random=False))
def test_neither_the_order_of_seeds_nor_the_side_changes_the_paired_p(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    expected = equivalence_p(paired_difference(*zip(*pairs, strict=True)), 0.1)

    assert equivalence_p(paired_difference(*zip(*shuffled, strict=True)), 0.1) == expected
    assert (
        equivalence_p(paired_difference(*reversed(list(zip(*pairs, strict=True)))), 0.1) == expected
    )


@given(PAIRS, PAIRS)
def test_swapping_the_arms_leaves_the_welch_p(first, second):
    treatment, control = [x for x, _ in first], [x for _, x in second]

    found = equivalence_p(welch_difference(treatment, control), 0.1)
    assume(found is not None)

    assert found == pytest.approx(
        equivalence_p(welch_difference(control, treatment), 0.1), rel=1e-12
    )


@given(PAIRS)
def test_a_wider_margin_never_raises_p(pairs):
    sides = list(zip(*pairs, strict=True))
    narrow, wide = (
        equivalence_p(paired_difference(*sides), 0.05),
        equivalence_p(paired_difference(*sides), 0.2),
    )
    assume(narrow is not None)

    assert wide <= narrow


@pytest.mark.parametrize("control", [GROUP, GROUP[:2], [0.7, 0.7, 0.7001]])
def test_the_degrees_of_freedom_are_scipys(control):
    expected = stats.ttest_ind(BATCH, control, equal_var=False).df
    errors = [stats.sem(BATCH), stats.sem(control)]

    assert welch_degrees(errors, (len(BATCH), len(control))) == pytest.approx(expected)


# The seeds that it takes


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
    n = Design((spread,), (2,)).seeds_for_equivalence(margin)

    assert share_shown_equivalent(n, margin, spread, source) >= 0.78
    assert share_shown_equivalent(n - 2, margin, spread, source) < 0.8


def test_unpaired_seeds_take_about_twice_as_many_a_side():
    # The variance of a difference of two independent runs is the sum of their variances.
    assert Design((0.01, 0.01), (2, 2)).seeds_for_equivalence(0.01) == pytest.approx(
        Design((0.01 * 2**0.5,), (2,)).seeds_for_equivalence(0.01), abs=1
    )


def test_no_spread_takes_the_fewest_seeds_and_hopeless_ones_are_not_counted():
    assert Design((0.0,), (2,)).seeds_for_equivalence(0.01) == 2
    assert Design((100.0,), (2,)).seeds_for_equivalence(0.001) is None


def test_more_spread_never_takes_fewer_seeds():
    source = random.Random(0)
    spreads = sorted(source.uniform(0.001, 0.1) for _ in range(50))
    seeds = [Design((spread,), (2,)).seeds_for_equivalence(0.01) for spread in spreads]
    assert seeds == sorted(seeds)
