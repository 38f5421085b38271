"""Oracles: SciPy's survival function of censored data, a published trial, ordinary medians."""

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.survival import censored_median, restricted_mean

# Remission in weeks of 21 patients treated with 6-MP (Freireich et al. 1963), the usual
# worked example of Kaplan-Meier estimates: the median is 23 weeks.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [week in (7, 13, 16, 22, 23) or place in (0, 1, 2, 6) for place, week in enumerate(WEEKS)]

RUNS = st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=12)


def scipys_survival(times, is_reached):
    reached = [time for time, is_event in zip(times, is_reached, strict=True) if is_event]
    censored = [time for time, is_event in zip(times, is_reached, strict=True) if not is_event]
    return stats.ecdf(stats.CensoredData(uncensored=reached, right=censored)).sf


def test_the_median_of_the_published_trial_is_23_weeks():
    assert censored_median(WEEKS, ENDED) == (23, False)


def test_the_restricted_mean_of_the_published_trial_is_the_area_worked_by_hand():
    # Levels 1, 6/7, then times 16/17, 14/15, 11/12, 10/11, 6/7, 5/6, from their weeks on.
    weeks = [0, 6, 7, 10, 13, 16, 22, 23, 35]
    levels = [1, 0.857143, 0.806723, 0.752941, 0.690196, 0.627451, 0.537815, 0.448179]

    area = np.sum(np.diff(weeks) * levels)

    assert restricted_mean(WEEKS, ENDED, 35) == pytest.approx(area, abs=1e-4)


@pytest.mark.parametrize("times", [[3], [3, 5], [5, 3, 9], [4, 4, 8, 2], [1.5, 2.5, 2.5, 7, 30]])
def test_without_censoring_the_median_is_the_ordinary_one(times):
    assert censored_median(times, [True] * len(times)) == (median(times), False)


def test_the_target_that_most_runs_never_reach_gives_the_largest_time_as_a_bound():
    assert censored_median([4, 10, 10], [True, False, False]) == (10, True)


def test_the_target_that_no_run_reaches_gives_the_largest_time_as_a_bound():
    assert censored_median([10, 8], [False, False]) == (10, True)


def test_the_target_that_just_half_of_the_runs_reach_gives_a_bound_between():
    # The middle two of 3, 5, later than 8, later than 8 are 5 and something above 8.
    assert censored_median([3, 5, 8, 8], [True, True, False, False]) == (6.5, True)


def test_the_target_that_most_runs_reach_has_a_median_in_spite_of_the_others():
    assert censored_median([3, 5, 6, 10, 10], [True, True, True, False, False]) == (6, False)


def test_runs_that_were_stopped_early_count_for_as_long_as_they_were_watched():
    # Of 2 watched at 5, one is left: level 1/2; at 9 none: the middle of 5 and 9.
    assert censored_median([2, 5, 9], [False, True, True]) == (7, False)


def test_a_run_censored_when_another_reaches_the_target_was_still_watched():
    # At 4 the level falls by 1 of 3, to 2/3, not by 1 of 2.
    assert restricted_mean([4, 4, 8], [True, False, True], 8) == pytest.approx(4 + 4 * 2 / 3)


def test_the_restricted_mean_without_censoring_is_the_mean_of_the_cut_times():
    times = [3, 5, 9, 30]
    assert restricted_mean(times, [True] * 4, 10) == pytest.approx((3 + 5 + 9 + 10) / 4)


def test_the_restricted_mean_counts_runs_censored_at_the_horizon_as_the_horizon():
    assert restricted_mean([4, 10, 10], [True, False, False], 10) == pytest.approx(8)


def test_the_curve_stays_level_beyond_the_last_time():
    assert restricted_mean([4, 6], [True, False], 10) == pytest.approx(4 + 0.5 * 6)


def test_after_the_last_run_reached_the_target_no_time_is_added():
    assert restricted_mean([4, 6], [True, True], 100) == pytest.approx(5)


def test_a_horizon_of_zero_leaves_no_time():
    assert restricted_mean([4, 6], [True, False], 0) == 0.0


@given(RUNS, st.integers(0, 25))
def test_the_restricted_mean_is_the_area_under_scipys_curve(runs, horizon):
    times, is_reached = zip(*runs, strict=True)
    survival = scipys_survival(times, is_reached)
    # All times are whole, so the curve is level between whole numbers.
    area = sum(float(survival.evaluate(start + 0.5)) for start in range(horizon))

    assert restricted_mean(times, is_reached, horizon) == pytest.approx(area)


@given(RUNS)
def test_the_median_lies_where_scipys_curve_passes_one_half(runs):
    times, is_reached = zip(*runs, strict=True)
    survival = scipys_survival(times, is_reached)

    found, is_bound = censored_median(times, is_reached)

    assert survival.evaluate(found - 1e-6) >= 0.5 - 1e-9
    if is_bound:
        assert survival.evaluate(max(times)) >= 0.5 - 1e-9
    else:
        assert survival.evaluate(found) <= 0.5 + 1e-9


@given(RUNS, st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(runs, random):
    shuffled = random.sample(runs, len(runs))
    expected, found = (list(zip(*order, strict=True)) for order in (runs, shuffled))

    assert censored_median(*found) == censored_median(*expected)
    assert restricted_mean(*found, 15) == restricted_mean(*expected, 15)


def test_no_run_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one run"):
        censored_median([], [])
    with pytest.raises(ValueError, match="at least one run"):
        restricted_mean([], [], 10)


def test_times_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="zip"):
        censored_median([1, 2], [True])


@pytest.mark.parametrize("horizon", [-1.0, float("nan")])
def test_a_horizon_before_the_start_is_refused(horizon):
    with pytest.raises(ValueError, match="at least 0"):
        restricted_mean([1], [True], horizon)
