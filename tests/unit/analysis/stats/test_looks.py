"""The price of repeated looks, against a simulation of its own and against published figures."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnexp.analysis.stats.look_levels import NOMINAL
from bnexp.analysis.stats.looks import LEVELS, nominal_level, overall_p
from bnexp.config.sweep.looks import planned_looks

ALL = (3, 4, 5, 6, 8, 10, 13, 16, 20)
DESIGNS = [ALL, (3, 4, 5), (5, 6, 8, 10), (4, 6, 8, 11, 14, 18), planned_looks(7, 15)]


def test_looks_are_cut_at_both_ends_which_are_looks_themselves():
    assert planned_looks(3, 20) == ALL
    assert planned_looks(4, 12) == (4, 5, 6, 8, 10, 12)
    assert planned_looks(7, 7) == (7,)


def test_nine_looks_at_pairs_have_the_known_constant():
    # 60,000 experiments of another simulation: 4.98 % at 0.0093.
    assert nominal_level(0.05, ALL, "paired") == pytest.approx(0.0093, abs=0.0001)


def test_one_look_costs_nothing():
    assert overall_p(0.03, (5,), "paired") == 0.03
    assert nominal_level(0.05, (5,), "welch") == 0.05


def simulate(looks, test, is_one_sided, experiments, seed):
    """Returns how often the smallest p of the looks is at most their nominal level at 5 %."""
    samples = np.random.default_rng(seed).normal(size=(2, experiments, looks[-1]))
    direction = "greater" if is_one_sided else "two-sided"
    smallest = np.ones(experiments)
    for look in looks:
        first, second = samples[..., :look]
        if test == "paired":
            p = stats.ttest_1samp(first, 0, axis=1, alternative=direction).pvalue
        else:
            p = stats.ttest_ind(
                first, second, axis=1, equal_var=False, alternative=direction
            ).pvalue
        smallest = np.minimum(smallest, p)
    return np.mean(smallest <= nominal_level(0.05, looks, test, is_one_sided=is_one_sided))


@pytest.mark.parametrize("is_one_sided", [False, True])
@pytest.mark.parametrize("test", ["paired", "welch"])
@pytest.mark.parametrize("looks", DESIGNS)
def test_looks_together_err_in_five_percent(looks, test, is_one_sided):
    share = simulate(looks, test, is_one_sided, 20_000, seed=4)

    errors = 4 * sqrt(0.05 * 0.95 / 20_000)
    # Welch's are the safer of two ratios.
    assert (0.02 if test == "welch" else 0.05 - errors) <= share <= 0.05 + errors


@given(
    st.sampled_from(DESIGNS),
    st.sampled_from(["paired", "welch", "exact"]),
    st.booleans(),
    st.floats(1e-9, 1),
    st.floats(1e-9, 1),
)
def test_a_smaller_p_is_never_worth_less(looks, test, is_one_sided, one, other):
    low, high = sorted((one, other))
    below, above = (overall_p(p, looks, test, is_one_sided=is_one_sided) for p in (low, high))

    assert low <= below <= min(1.0, len(looks) * low) * (1 + 1e-9)
    assert below <= above * (1 + 1e-9)


@pytest.mark.parametrize("test", ["paired", "welch"])
@pytest.mark.parametrize("is_one_sided", [False, True])
def test_nor_is_one_below_the_smallest_level_of_the_table(test, is_one_sided):
    least = nominal_level(LEVELS[-1], ALL, test, is_one_sided=is_one_sided)
    ps = [least * factor for factor in (0.5, 0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1, 2.0)]
    found = [overall_p(p, ALL, test, is_one_sided=is_one_sided) for p in ps]

    assert found == sorted(found)


@pytest.mark.parametrize("test", ["paired", "welch", "exact"])
@pytest.mark.parametrize("level", LEVELS[3:])
def test_levels_and_p_values_are_each_others_inverse(test, level):
    nominal = nominal_level(level, ALL, test)

    assert overall_p(nominal, ALL, test) == pytest.approx(level, rel=1e-6)


def test_looks_that_are_not_in_the_table_are_paid_for_one_by_one():
    assert overall_p(0.001, (3, 7, 19), "paired") == pytest.approx(0.003)


def test_each_number_of_the_table_continues_its_row():
    steps = np.log(LEVELS)
    for design, levels in NOMINAL.items():
        row = np.log(levels)
        for place in range(len(row)):
            others = sorted(set(range(len(row))) - {place}, key=lambda one: abs(one - place))[:3]
            expected = np.polyval(np.polyfit(steps[others], row[others], 2), steps[place])
            # A wrong digit in a first place is a factor of 2 or more; 0.21 is chance at 1 in 2,000.
            assert abs(row[place] - expected) < 0.3, (design, place)
