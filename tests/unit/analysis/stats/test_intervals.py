"""Oracles: SciPy's own tests, hand-worked examples, and simulated experiments."""

import numpy as np
import pytest
from scipy import stats

from bnexp.analysis.stats.intervals import (
    Interval,
    holm,
    paired_difference,
    t_interval,
    welch_difference,
)

BATCH = [0.712, 0.705, 0.721, 0.698, 0.731]
NONE = [0.61, 0.583, 0.634, 0.602, 0.611]


def test_the_t_interval_is_scipys():
    expected = stats.t.interval(0.95, len(BATCH) - 1, np.mean(BATCH), stats.sem(BATCH))
    interval = t_interval(BATCH)
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-12)


def test_a_higher_confidence_gives_scipys_wider_interval():
    expected = stats.t.interval(0.99, len(BATCH) - 1, np.mean(BATCH), stats.sem(BATCH))
    interval = t_interval(BATCH, confidence=0.99)
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("values", [[], [0.7]])
def test_fewer_than_two_values_have_no_interval(values):
    assert t_interval(values) is None


def test_equal_values_have_an_interval_of_no_width():
    assert t_interval([0.1, 0.1, 0.1]) == Interval(0.1, 0.1)


def test_the_paired_difference_is_scipys():
    expected = stats.ttest_rel(BATCH, NONE)
    bounds = expected.confidence_interval()
    found = paired_difference(BATCH, NONE)
    assert found.mean == pytest.approx(np.mean(BATCH) - np.mean(NONE), rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(bounds), rel=1e-9)


def test_two_pairs_are_enough_for_a_paired_test():
    expected = stats.ttest_rel(BATCH[:2], NONE[:2])
    assert paired_difference(BATCH[:2], NONE[:2]).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_one_pair_has_a_difference_without_interval_or_p():
    found = paired_difference([0.7], [0.5])
    assert (found.mean, found.interval, found.p) == (pytest.approx(0.2), None, None)


def test_pairs_that_are_all_equal_differ_by_exactly_nothing():
    found = paired_difference(BATCH, BATCH)
    assert (found.mean, found.interval, found.p) == (0.0, Interval(0.0, 0.0), 1.0)


def test_a_difference_without_spread_is_not_tested():
    found = paired_difference([0.6, 0.7, 0.8], [0.5, 0.6, 0.7])
    assert (found.mean, found.interval, found.p) == (pytest.approx(0.1), None, None)


def test_unequal_numbers_of_values_do_not_pair():
    with pytest.raises(ValueError, match="zip"):
        paired_difference([0.6, 0.7], [0.5])


def test_no_pair_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        paired_difference([], [])


@pytest.mark.parametrize("control", [NONE, NONE[:3], [0.5, 0.5, 0.5001]])
def test_the_welch_difference_is_scipys(control):
    expected = stats.ttest_ind(BATCH, control, equal_var=False)
    bounds = expected.confidence_interval()
    found = welch_difference(BATCH, control)
    assert found.mean == pytest.approx(np.mean(BATCH) - np.mean(control), rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(bounds), rel=1e-9)


def test_welch_needs_two_values_on_both_sides():
    found = welch_difference(BATCH, [0.6])
    assert (found.interval, found.p) == (None, None)


def test_welch_refuses_an_empty_side():
    with pytest.raises(ValueError, match="at least one value"):
        welch_difference(BATCH, [])


def test_welch_finds_constant_equal_samples_identical():
    found = welch_difference([0.1, 0.1], [0.1, 0.1, 0.1])
    assert (found.mean, found.interval, found.p) == (0.0, Interval(0.0, 0.0), 1.0)


def test_welch_does_not_test_constant_unequal_samples():
    found = welch_difference([0.2, 0.2], [0.1, 0.1])
    assert (found.mean, found.interval, found.p) == (pytest.approx(0.1), None, None)


def test_welch_survives_tiny_variances():
    found = welch_difference([1e-170, 2e-170], [3e-170, 5e-170])
    assert 0 < found.p < 1


def test_holm_gives_the_worked_example():
    # Sorted .005 .01 .03 .04 times 4 3 2 1 is .02 .03 .06 .04; the last may not fall below .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_holm_stops_at_one():
    assert holm([0.6, 0.9, 0.5]) == pytest.approx((1.0, 1.0, 1.0))


def test_holm_leaves_a_single_p_alone():
    assert holm([0.03]) == (0.03,)


def test_holm_of_nothing_is_nothing():
    assert holm([]) == ()


@pytest.mark.parametrize("n", [3, 8])
def test_t_intervals_cover_the_mean_in_95_of_100_experiments(n):
    samples = np.random.default_rng(0).normal(0.7, 0.02, (2000, n)).tolist()
    intervals = [t_interval(values) for values in samples]
    coverage = np.mean([interval.low <= 0.7 <= interval.high for interval in intervals])
    assert 0.935 <= coverage <= 0.965


def test_paired_intervals_cover_the_difference_though_seeds_vary_more_than_cells():
    generator = np.random.default_rng(1)
    seeds = generator.normal(0, 0.05, (2000, 5))
    control = 0.6 + seeds + generator.normal(0, 0.01, seeds.shape)
    treatment = 0.65 + seeds + generator.normal(0, 0.01, seeds.shape)
    pairs = zip(treatment.tolist(), control.tolist(), strict=True)
    intervals = [paired_difference(after, before).interval for after, before in pairs]
    coverage = np.mean([interval.low <= 0.05 <= interval.high for interval in intervals])
    assert 0.935 <= coverage <= 0.965


def test_welch_intervals_cover_the_difference_of_unequal_samples():
    generator = np.random.default_rng(2)
    control = generator.normal(0.6, 0.01, (2000, 5)).tolist()
    treatment = generator.normal(0.65, 0.03, (2000, 8)).tolist()
    pairs = zip(treatment, control, strict=True)
    intervals = [welch_difference(after, before).interval for after, before in pairs]
    coverage = np.mean([interval.low <= 0.05 <= interval.high for interval in intervals])
    assert 0.935 <= coverage <= 0.965
