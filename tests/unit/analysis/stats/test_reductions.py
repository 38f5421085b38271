"""Hand-worked sweeps, SciPy's regression, and properties that hold for any sweep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.reductions import best_axis_value, largest_stable, slope

RATES = [(0.01, 0.6), (0.1, 0.8), (1.0, 0.4), (10.0, None)]
AXIS = st.integers(-50, 50).map(lambda value: value / 10)
SWEEPS = st.lists(
    st.tuples(AXIS, st.floats(-10, 10)), min_size=2, max_size=8, unique_by=lambda point: point[0]
)


def test_the_largest_stable_value_is_the_last_before_divergence():
    assert largest_stable(RATES, None, 1) == 1.0


def test_a_threshold_asks_for_a_good_enough_run_too():
    assert largest_stable(RATES, 0.5, 1) == 0.1


def test_a_run_just_at_the_threshold_is_good_enough():
    assert largest_stable(RATES, 0.8, 1) == 0.1
    assert largest_stable(RATES, 0.4, -1) == 1.0


def test_for_a_loss_the_threshold_is_an_upper_limit():
    assert largest_stable([(0.1, 0.5), (1.0, 0.7), (10.0, 2.3)], 1.0, -1) == 1.0


@pytest.mark.parametrize("between", [None, 0.1])
def test_a_stable_run_beyond_one_that_is_not_was_lucky(between):
    points = [(0.03, 0.5), (0.1, between), (0.3, between), (1.0, 0.6)]

    assert largest_stable(points, 0.2, 1) == 0.03


def test_runs_too_slow_at_the_lower_end_do_not_end_the_stable_part():
    assert largest_stable([(0.001, 0.1), (0.01, 0.15), (0.1, 0.5), (1.0, 0.4)], 0.2, 1) == 1.0


def test_what_is_stable_above_a_run_that_diverged_at_the_lower_end_does_not_count():
    assert largest_stable([(0.001, None), (0.1, 0.5)], 0.2, 1) is None


@pytest.mark.parametrize("points", [[], [(0.1, None)]])
def test_without_a_stable_run_there_is_no_largest_stable_value(points):
    assert largest_stable(points, None, 1) is None


def test_without_a_good_enough_run_there_is_no_largest_stable_value():
    assert largest_stable(RATES, 0.9, 1) is None


def test_the_direction_matters_only_with_a_threshold():
    assert largest_stable(RATES, None, 0) == 1.0
    with pytest.raises(ValueError, match="must be 1 or -1"):
        largest_stable(RATES, 0.5, 0)


def test_the_slope_of_a_line_is_its_own():
    assert slope([(-2, 0.9), (-1, 0.7), (0, 0.5)]) == pytest.approx(-0.2)


def test_the_slope_is_scipys():
    axis, values = [1, 2, 3, 5, 5], [0.3, 0.1, 0.7, 0.4, 0.9]
    expected = stats.linregress(axis, values).slope

    assert slope(list(zip(axis, values, strict=True))) == pytest.approx(expected)


@pytest.mark.parametrize("points", [RATES, [], [(0.1, 0.5)], [(0.1, 0.5), (0.1, 0.7)]])
def test_divergence_or_a_single_axis_value_leaves_no_slope(points):
    assert slope(points) is None


def test_the_best_axis_value_is_that_of_the_highest_mean():
    assert best_axis_value(dict(RATES), 1) == 0.1


def test_the_best_axis_value_of_a_loss_is_that_of_the_lowest_mean():
    assert best_axis_value(dict(RATES), -1) == 1.0


@pytest.mark.parametrize("direction", [1, -1])
def test_a_tie_goes_to_the_smaller_axis_value(direction):
    assert best_axis_value({0.3: 0.8, 0.1: 0.8, 0.2: 0.8}, direction) == 0.1


@pytest.mark.parametrize("means", [{}, {0.1: None}])
def test_without_a_mean_there_is_no_best_axis_value(means):
    assert best_axis_value(means, 1) is None


def test_without_a_direction_there_is_no_telling_the_best():
    with pytest.raises(ValueError, match="must be 1 or -1"):
        best_axis_value({0.1: 0.5}, 0)


@given(SWEEPS, st.randoms(use_true_random=False))
def test_the_order_of_the_sweep_does_not_matter(points, random):
    shuffled = random.sample(points, len(points))

    assert largest_stable(shuffled, 0.0, 1) == largest_stable(points, 0.0, 1)
    assert slope(shuffled) == slope(points)


@given(SWEEPS)
def test_mirrored_values_mirror_the_slope_and_the_thresholds(points):
    mirrored = [(axis, -value) for axis, value in points]

    assert largest_stable(mirrored, -1.0, -1) == largest_stable(points, 1.0, 1)
    if slope(points) is not None:
        assert slope(mirrored) == pytest.approx(-slope(points), abs=1e-9)
