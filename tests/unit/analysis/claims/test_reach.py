"""Claims that the planned seeds cannot decide, known before they are trained."""

import pytest
from records import build_run
from scipy import stats

from bnexp.analysis.claims.reach import describe_undecidable
from bnexp.analysis.comparison import compare_runs
from bnexp.config.claim.config import ClaimConfig
from bnexp.config.sweep.looks import planned_looks

CLAIM = {
    "statement": "s",
    "source": "s",
    "treatment": {"a": 1},
    "control": {"a": 2},
    "direction": "higher",
    "margin": 0.01,
}
CEILING = {"reduction": {"name": "largest_stable", "over": "optim.learning_rate"}}


def claims(*changes):
    return [ClaimConfig.model_validate({**CLAIM, **change}) for change in changes]


def fewest(*changes):
    """Returns the fewest seeds that bring no warning."""
    return next(n for n in range(1, 50) if not list(describe_undecidable(claims(*changes), [n])))


def test_a_t_test_takes_three_seeds_and_two_more_if_some_choose():
    assert fewest({}) == 3
    assert fewest({"reduction": {"name": "best", "over": "optim.learning_rate"}}) == 5


def test_signs_take_as_many_pairs_as_scipys_binomial_test():
    for family in (1, 2, 14):
        needed = next(n for n in range(1, 50) if family * stats.binomtest(n, n, 0.5).pvalue <= 0.05)
        assert fewest(*[CEILING] * family) == needed


def test_shares_take_as_many_runs_as_scipys_fisher_test():
    share = {"metric": "diverged"}
    needed = next(n for n in range(1, 50) if stats.fisher_exact([[n, 0], [0, n]]).pvalue <= 0.05)
    assert fewest(share) == max(3, needed)


def test_a_figure_without_noise_takes_one_seed():
    assert fewest({"metric": "training_memory_bytes"}) == 1


@pytest.mark.parametrize("number", [5, 6])
def test_the_warning_says_how_sure_they_could_be_and_how_many_would_do(number):
    (first, second) = describe_undecidable(claims(CEILING, CEILING), [number])

    p = stats.binomtest(number, number, 0.5).pvalue
    assert first == second
    assert f"{number} seeds cannot decide the claim 's': even if all agree, p is {p:.3g}" in first
    assert f"and {2 * p:.3g} after correction; 7 can" in first


def test_looks_at_which_an_exact_test_could_decide_are_corrected_for():
    looks = planned_looks(3, 12)  # 3, 4, 5, 6, 8, 10 and 12
    single = stats.binomtest(12, 12, 0.5).pvalue
    assert not list(describe_undecidable(claims(CEILING), [12], others=44))

    (warning,) = describe_undecidable(claims(CEILING), looks, others=44)

    # Six pairs have p = 0.031 at best, more than the five looks from there on leave; eight 0.0078.
    assert f"p is {single:.3g}, and {45 * 3 * single:.3g} after correction; 13 can" in warning
    assert not list(describe_undecidable(claims(CEILING), planned_looks(3, 13), others=44))
    assert not list(describe_undecidable(claims({}), looks, others=44)), (
        "t tests have no smallest p"
    )


def test_more_seeds_than_looks_are_planned_for_would_all_be_looked_at_once():
    looks = planned_looks(3, 20)
    needed = next(n for n in range(21, 50) if 20_000 * stats.binomtest(n, n, 0.5).pvalue <= 0.05)

    (warning,) = describe_undecidable(claims(CEILING), looks, others=19_999)

    assert f"after correction; {needed} can (sweep.seeds)" in warning


def test_cases_take_as_many_pairs_as_their_conjunction():
    each = {"each": {"b": (1, 2, 3)}, **CEILING}

    def needed(factor):
        return next(n for n in range(1, 50) if factor * stats.binomtest(n, n, 0.5).pvalue <= 0.05)

    assert fewest({**each, "at_least": 2}) == needed(2)
    assert fewest(each) == needed(3), "that all three are contrary is shown by each one's p"
    (warning,) = describe_undecidable(claims(each), [needed(1)])
    assert f"{needed(1)} seeds cannot contradict the claim 's'" in warning
    (warning,) = describe_undecidable(claims(each), [needed(1) - 1])
    assert f"{needed(1) - 1} seeds cannot decide the claim 's'" in warning


@pytest.mark.parametrize("direction", ["equal", "not_lower", "not_higher"])
def test_shares_take_as_many_runs_as_their_own_test(direction):
    change = {"metric": "diverged", "direction": direction, "margin": 0.3}
    number = fewest(change)
    assert number > 3 or direction != "equal"

    def verdict(runs):
        claims = ({**CLAIM, **change},)
        best = {"equal": (0, 0), "not_lower": (runs, 0), "not_higher": (0, runs)}[direction]
        records = [
            build_run(
                f"a={value}", seed, state="diverged" if seed < diverged else "finished",
                settings={"a": value}, claims=claims,
            )
            for value, diverged in zip((1, 2), best, strict=True)
            for seed in range(runs)
        ]  # fmt: skip
        return compare_runs(records).claims[0].verdict

    assert verdict(number) == "supported"
    assert verdict(max(3, number - 1)) == ("inconclusive" if number > 3 else "supported")


def test_a_margin_that_no_number_of_runs_can_show_is_said():
    share = {"metric": "diverged", "direction": "equal", "margin": 1e-9}
    (warning,) = describe_undecidable(claims(share), [5])

    assert warning.endswith("not even 200 can (sweep.seeds)")
