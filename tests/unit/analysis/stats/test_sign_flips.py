import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.sign_flips import fewest_pairs, sign_flip_p

GRID = st.lists(st.integers(-4, 4), min_size=2, max_size=9)


def by_scipy(values, alternative):
    """SciPy flips signs exactly where there are few pairs."""
    result = stats.permutation_test(
        (np.array(values, float), np.zeros(len(values))),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        alternative=alternative,
        n_resamples=np.inf,
    )
    return result.pvalue


@given(GRID)
def test_p_is_scipys_exact_one(values):
    assert sign_flip_p(values) == pytest.approx(by_scipy(values, "two-sided"))


def test_values_off_any_grid_are_told_apart():
    values = [0.301, 0.477, 1.0, -0.2, 0.7]
    assert sign_flip_p(values) == pytest.approx(by_scipy(values, "two-sided"))


def test_six_pairs_are_the_fewest_for_five_percent():
    assert fewest_pairs(0.05) == 6
    assert sign_flip_p([1.0] * 6) <= 0.05 < sign_flip_p([1.0] * 5)
