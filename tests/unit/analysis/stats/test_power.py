"""Oracles: SciPy's noncentral t, numerical integrals, published tables, simulated experiments.

The oldest SciPy supported computes the noncentral t to five digits, newer ones to eight.
"""

from itertools import pairwise
from math import hypot, sqrt

import numpy as np
import pytest
from scipy import integrate, stats

from bnexp.analysis.stats.power import Design


def integrated_power(degrees, shift, cutoff):
    """P(|Z + shift| > cutoff · √(chi² / degrees)), integrated over the normal Z."""

    def integrand(z):
        return stats.norm.pdf(z) * stats.chi2.cdf(degrees * ((z + shift) / cutoff) ** 2, degrees)

    edges = sorted({-9.0, 9.0, *(x for x in (-shift, cutoff - shift) if -9 < x < 9)})
    pieces = [
        integrate.quad(integrand, low, high, epsabs=1e-10, limit=200)[0]
        for low, high in pairwise(edges)
    ]
    return sum(pieces)


@pytest.mark.parametrize("n", [3, 5, 10, 50, 1000])
@pytest.mark.parametrize("shift", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("significance", [0.05, 0.005])
def test_paired_power_is_scipys_noncentral_t(n, shift, significance):
    cutoff = stats.t.isf(significance / 2, n - 1)
    noncentral = stats.nct(n - 1, shift)

    found = Design((0.1,), (n,)).power(shift * 0.1 / sqrt(n), significance)

    assert found == pytest.approx(noncentral.sf(cutoff) + noncentral.cdf(-cutoff), abs=1e-5)


@pytest.mark.parametrize("n", [2, 3, 10, 100])
@pytest.mark.parametrize("shift", [0.2, 1.0, 3.0, 10.0, 30.0, 200.0, 30_000.0])
def test_paired_power_is_the_integral_also_at_shifts_at_which_scipy_may_fail(n, shift):
    expected = integrated_power(n - 1, shift, stats.t.isf(0.0005, n - 1))

    assert Design((1.0,), (n,)).power(shift / sqrt(n), 0.001) == pytest.approx(expected, abs=1e-5)


def test_no_effect_at_all_is_found_as_often_as_the_significance_says():
    assert Design((1.0,), (5,)).power(0.0, 0.03) == pytest.approx(0.03)


def test_a_huge_effect_is_always_found():
    assert Design((1.0,), (3,)).power(1e9) == 1.0
    assert Design((1.0, 2.0), (3, 4)).power(1e9) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("effect", "power"), [(0.1, 1.0), (-0.1, 1.0), (0.0, 0.0)])
def test_without_spread_any_effect_is_found(effect, power):
    assert Design((0.0,), (2,)).power(effect) == power
    assert Design((0.0, 0.0), (2, 2)).power(effect) == power


def test_one_seed_has_no_power():
    assert Design((0.1,), (1,)).power(1.0) == 0.0
    assert Design((0.1, 0.1), (5, 1)).power(1.0) == 0.0


def test_the_sign_of_the_effect_does_not_matter():
    assert Design((0.2,), (5,)).power(-0.3) == Design((0.2,), (5,)).power(0.3)
    assert Design((0.2, 0.1), (5, 4)).power(-0.3) == Design((0.2, 0.1), (5, 4)).power(0.3)


def test_swapping_the_arms_leaves_the_welch_power():
    assert Design((0.2, 0.1), (5, 4)).power(0.3) == pytest.approx(
        Design((0.1, 0.2), (4, 5)).power(0.3)
    )


def test_units_do_not_matter():
    assert Design((20, 10), (5, 4)).power(30) == pytest.approx(
        Design((0.2, 0.1), (5, 4)).power(0.3)
    )


def test_an_arm_without_spread_leaves_the_test_of_the_other_arm_alone():
    assert Design((0.2, 0.0), (5, 3)).power(0.3) == pytest.approx(Design((0.2,), (5,)).power(0.3))
    assert Design((0.0, 0.2), (3, 5)).power(0.3) == pytest.approx(Design((0.2,), (5,)).power(0.3))


@pytest.mark.parametrize("n", [3, 4, 5])
def test_an_arm_with_almost_no_spread_is_as_good_as_one_without(n):
    assert Design((0.2, 1e-9), (n, 3)).power(0.3) == pytest.approx(
        Design((0.2,), (n,)).power(0.3), abs=1e-6
    )


def test_many_seeds_have_the_power_of_the_normal_distribution():
    shift = 0.02 / hypot(1 / sqrt(40_000), 2 / sqrt(50_000))
    expected = stats.norm.sf(1.959964 - shift) + stats.norm.cdf(-1.959964 - shift)

    assert Design((1.0, 2.0), (40_000, 50_000)).power(0.02) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("n", "effect", "spread"), [(3, 0.3, 0.1), (5, 0.2, 0.15), (12, 0.1, 0.1)])
def test_paired_power_is_the_share_of_simulated_experiments_that_find_the_effect(n, effect, spread):
    differences = np.random.default_rng(0).normal(effect, spread, (4000, n))

    found = (stats.ttest_1samp(differences, 0, axis=1).pvalue <= 0.05).mean()

    power = Design((spread,), (n,)).power(effect)
    assert abs(found - power) <= 3 * sqrt(power * (1 - power) / 4000)


@pytest.mark.parametrize(
    ("sizes", "spreads"),
    [((2, 2), (1, 1)), ((3, 3), (1, 3)), ((5, 5), (1, 1)), ((3, 12), (2, 1)), ((8, 8), (1, 5))],
)
@pytest.mark.parametrize("significance", [0.05, 0.01])
def test_welch_power_is_the_share_of_simulated_experiments(sizes, spreads, significance):
    generator = np.random.default_rng(1)
    effect = 3 * hypot(*(spread / sqrt(n) for spread, n in zip(spreads, sizes, strict=True)))
    treatment = generator.normal(effect, spreads[0], (20_000, sizes[0]))
    control = generator.normal(0, spreads[1], (20_000, sizes[1]))

    p = stats.ttest_ind(treatment, control, axis=1, equal_var=False).pvalue

    power = Design(spreads, sizes).power(effect, significance)
    assert abs((p <= significance).mean() - power) <= 3 * sqrt(power * (1 - power) / 20_000)


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_pairs_for_small_medium_and_large_effects_are_the_published_ones(effect, n):
    # Cohen's conventional effects at 80 % power and 5 % significance, as G*Power gives them.
    assert Design((1.0,), (2,)).seeds_needed(effect) == n


@pytest.mark.parametrize(("effect", "n"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_seeds_an_arm_for_small_medium_and_large_effects_are_the_published_ones(effect, n):
    # Published for Student's test; Welch's takes as many at these sizes.
    assert Design((1.0, 1.0), (2, 2)).seeds_needed(effect) == n


def test_an_effect_of_24_points_at_a_spread_of_16_takes_nine_seeds_an_arm():
    assert Design((0.16, 0.16), (2, 2)).seeds_needed(0.24) == 9


def test_an_effect_of_2_points_at_a_spread_of_2_and_a_half_takes_26_seeds_an_arm():
    assert Design((2.5, 2.5), (2, 2)).seeds_needed(2.0) == 26


@pytest.mark.parametrize("power", [0.02, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("effect", [0.05, 0.4, 1.0, 20.0])
def test_the_seeds_found_are_the_fewest_that_have_the_power(effect, power):
    paired = Design((1.0,), (2,)).seeds_needed(effect, power)
    welch = Design((1.0, 0.5), (2, 2)).seeds_needed(effect, power)

    assert Design((1.0,), (paired,)).power(effect) >= power
    assert paired == 2 or Design((1.0,), (paired - 1,)).power(effect) < power
    assert Design((1.0, 0.5), (welch, welch)).power(effect) >= power
    assert welch == 2 or Design((1.0, 0.5), (welch - 1, welch - 1)).power(effect) < power


def test_without_spread_two_seeds_are_enough():
    assert Design((0.0,), (2,)).seeds_needed(0.1) == 2
    assert Design((0.0, 0.0), (2, 2)).seeds_needed(0.1) == 2


@pytest.mark.parametrize("effect", [0.0, 1e-6])
def test_no_number_of_seeds_up_to_a_hundred_thousand_finds_next_to_nothing(effect):
    assert Design((1.0,), (2,)).seeds_needed(effect) is None
    assert Design((1.0, 1.0), (2, 2)).seeds_needed(effect) is None


@pytest.mark.parametrize(("n", "needed"), [(100_000, 100_000), (100_001, None)])
def test_up_to_a_hundred_thousand_seeds_are_named(n, needed):
    # An effect just above the smallest that this number finds, which one seed less does not.
    effect = Design((1.0,), (n,)).smallest_detectable() * (1 + 1e-7)
    assert Design((1.0,), (2,)).seeds_needed(effect) == needed


# Near the smallest float, and 2, with which four pairs have a standard error of 1.
@pytest.mark.parametrize("spread", [2.0, 1e-300, 1e-320])
def test_the_smallest_detectable_effect_scales_with_the_spread(spread):
    for smallest, unit in (
        (Design((spread,), (4,)).smallest_detectable(), Design((1.0,), (4,)).smallest_detectable()),
        (
            Design((spread, 0.0), (4, 2)).smallest_detectable(),
            Design((1.0, 0.0), (4, 2)).smallest_detectable(),
        ),
    ):
        # So small a float is a multiple of 5e-324, and three roundings add up.
        assert smallest == pytest.approx(unit * spread, rel=1e-6, abs=1.5e-323)


@pytest.mark.parametrize("n", [2, 3, 5, 40, 100_000])
@pytest.mark.parametrize(("power", "significance"), [(0.8, 0.05), (0.95, 0.001), (0.3, 0.2)])
def test_the_smallest_detectable_effect_is_found_with_just_that_power(n, power, significance):
    paired = Design((0.3,), (n,)).smallest_detectable(power, significance)
    welch = Design((0.3, 0.2), (n, 2 * n)).smallest_detectable(power, significance)

    assert Design((0.3,), (n,)).power(paired, significance) == pytest.approx(power, abs=1e-6)
    assert Design((0.3, 0.2), (n, 2 * n)).power(welch, significance) == pytest.approx(
        power, abs=1e-6
    )


def test_a_significance_above_the_power_detects_an_effect_of_nothing():
    assert Design((0.3,), (5,)).smallest_detectable(power=0.04) == 0.0


def test_without_spread_any_effect_is_detectable():
    assert Design((0.0,), (2,)).smallest_detectable() == 0.0
    assert Design((0.0, 0.0), (2, 2)).smallest_detectable() == 0.0


def test_one_seed_detects_nothing():
    assert Design((0.1,), (1,)).smallest_detectable() is None
    assert Design((0.1, 0.1), (1, 5)).smallest_detectable() is None


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 80.0, float("nan")])
def test_a_power_or_significance_that_is_no_share_is_refused(value):
    with pytest.raises(ValueError, match="power must lie"):
        Design((1.0,), (2,)).seeds_needed(1.0, power=value)
    with pytest.raises(ValueError, match="significance must lie"):
        Design((1.0, 1.0), (5, 5)).power(1.0, significance=value)


@pytest.mark.parametrize("spread", [-0.1, float("nan")])
def test_a_spread_below_zero_is_refused(spread):
    with pytest.raises(ValueError, match="standard deviation"):
        Design((spread,), (5,)).power(1.0)
    with pytest.raises(ValueError, match="standard deviation"):
        Design((1.0, spread), (5, 5)).smallest_detectable()


def test_the_power_does_not_depend_on_which_arm_comes_first():
    for effect in (0.5, 1.5, 3.0):
        power = Design((1.0, 2.0), (4, 7)).power(effect)
        assert Design((2.0, 1.0), (7, 4)).power(effect) == pytest.approx(power, rel=1e-9)
