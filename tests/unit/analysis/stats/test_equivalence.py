"""Oracles: SciPy's one-sided t tests of shifted values, and confidence intervals."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.equivalence import paired_equivalence, welch_equivalence
from bnexp.analysis.stats.intervals import welch_degrees

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

    assert paired_equivalence(BATCH[:n], GROUP[:n], margin) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("margin", [0.001, 0.005, 0.01, 0.05, 1.0])
@pytest.mark.parametrize("control", [GROUP, GROUP[:2], [0.7, 0.7, 0.7001]])
def test_welch_equivalence_is_the_larger_of_scipys_one_sided_ps(margin, control):
    expected = max(one_sided(stats.ttest_ind, BATCH, control, margin, equal_var=False))

    assert welch_equivalence(BATCH, control, margin) == pytest.approx(expected, rel=1e-9)


def test_a_hand_worked_pair_of_tests():
    # Differences 1 and 3: mean 2, error 1, one degree of freedom. (2 - 3) / 1 = -1, and
    # Student's t with one degree of freedom is below -1 with probability 1/4.
    assert paired_equivalence([2.0, 5.0], [1.0, 2.0], margin=3.0) == pytest.approx(0.25)


def test_a_mean_just_on_the_margin_has_p_one_half():
    assert paired_equivalence([2.0, 5.0], [1.0, 2.0], margin=2.0) == pytest.approx(0.5)


def test_p_is_at_most_5_percent_just_where_the_90_percent_interval_lies_within_the_margins():
    interval = stats.ttest_rel(BATCH, GROUP).confidence_interval(0.9)
    touching = max(abs(interval.low), abs(interval.high))

    assert paired_equivalence(BATCH, GROUP, touching) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("function", [paired_equivalence, welch_equivalence])
def test_one_seed_is_no_test(function):
    assert function([0.7], [0.7], 0.01) is None


def test_welch_needs_two_values_on_both_sides():
    assert welch_equivalence(BATCH, [0.7], 0.01) is None


@pytest.mark.parametrize("function", [paired_equivalence, welch_equivalence])
def test_equal_values_are_equivalent_for_certain(function):
    assert function([0.1, 0.1, 0.1], [0.1, 0.1, 0.1], 0.01) == 0.0


def test_equal_pairs_are_equivalent_for_certain():
    assert paired_equivalence(BATCH, BATCH, 1e-6) == 0.0


def test_pairs_with_one_and_the_same_difference_are_not_tested():
    assert paired_equivalence([0.6, 0.7, 0.8], [0.5, 0.6, 0.7], 0.5) is None


def test_constant_unequal_samples_are_not_tested():
    assert welch_equivalence([0.2, 0.2], [0.1, 0.1], 0.5) is None


def test_values_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="zip"):
        paired_equivalence([0.1, 0.2], [0.1], 0.1)


@pytest.mark.parametrize("function", [paired_equivalence, welch_equivalence])
@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan")])
def test_a_margin_that_is_not_above_zero_is_refused(function, margin):
    with pytest.raises(ValueError, match="above 0"):
        function(BATCH, GROUP, margin)


@given(PAIRS, st.randoms(use_true_random=False))
def test_neither_the_order_of_seeds_nor_the_side_changes_the_paired_p(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    expected = paired_equivalence(*zip(*pairs, strict=True), 0.1)

    assert paired_equivalence(*zip(*shuffled, strict=True), 0.1) == expected
    assert paired_equivalence(*reversed(list(zip(*pairs, strict=True))), 0.1) == expected


@given(PAIRS, PAIRS)
def test_swapping_the_arms_leaves_the_welch_p(first, second):
    treatment, control = [x for x, _ in first], [x for _, x in second]

    found = welch_equivalence(treatment, control, 0.1)
    assume(found is not None)

    assert found == pytest.approx(welch_equivalence(control, treatment, 0.1), rel=1e-12)


@given(PAIRS)
def test_a_wider_margin_never_raises_p(pairs):
    sides = list(zip(*pairs, strict=True))
    narrow, wide = paired_equivalence(*sides, 0.05), paired_equivalence(*sides, 0.2)
    assume(narrow is not None)

    assert wide <= narrow


@pytest.mark.parametrize("control", [GROUP, GROUP[:2], [0.7, 0.7, 0.7001]])
def test_the_degrees_of_freedom_are_scipys(control):
    expected = stats.ttest_ind(BATCH, control, equal_var=False).df
    errors = [stats.sem(BATCH), stats.sem(control)]

    assert welch_degrees(errors, (len(BATCH), len(control))) == pytest.approx(expected)
