"""Verdicts of experiments that are looked at while they grow."""

import random
from statistics import fmean

import pytest
from growing_runs import CLEAR, LOOKS, UNCLEAR, grow, pairs
from records import CLAIM, build_environment, build_run
from scipy import stats

from bnexp.analysis.claims.looks import find_progress
from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.stats.looks import nominal_level, overall_p
from bnexp.runs.record import flatten


def only(records):
    (result,) = compare_runs(records).claims
    return result


def test_a_clear_effect_is_decided_at_the_first_look():
    result = only(grow(pairs(CLEAR[:3]), [CLAIM]))
    p = stats.ttest_1samp(CLEAR[:3], 0).pvalue

    assert (result.verdict, result.look.seeds, result.look.most) == ("supported", 3, 20)
    assert result.test.p == pytest.approx(p)
    assert result.p_holm == pytest.approx(overall_p(p, LOOKS, "paired"))
    assert result.p_holm > p


def test_its_interval_is_that_of_the_looks_level():
    result = only(grow(pairs(CLEAR[:3]), [CLAIM]))
    level = nominal_level(0.05, LOOKS, "paired")
    low, high = stats.ttest_1samp(CLEAR[:3], 0).confidence_interval(1 - level)

    assert (result.test.ci_low, result.test.ci_high) == pytest.approx((low, high))


def test_a_verdict_is_frozen_at_the_look_that_gave_it():
    three, six = (only(grow(pairs(CLEAR[:number]), [CLAIM])) for number in (3, 6))
    turned = only(grow(pairs([*CLEAR[:3], -0.3, -0.3, -0.3]), [CLAIM]))

    for later in (six, turned):
        assert later.verdict == "supported"
        assert (later.look, later.test, later.p_holm) == (three.look, three.test, three.p_holm)


def test_what_went_wrong_after_it_does_not_take_it_back():
    def found(first):
        """Trains one side for longer, from a seed on."""
        records = grow(pairs(CLEAR[:6]), [CLAIM])
        for run in records:
            if run.seed >= first and run.cell == "norm=batch":
                run.config["train.epochs"] = 11
        return only(records)

    assert (found(3).verdict, found(3).look.seeds) == ("supported", 3)
    assert found(2).verdict == "inconclusive"
    assert "the claim names: train.epochs" in found(2).obstacle.text


def test_a_look_waits_for_all_of_its_runs():
    whole = grow(pairs(UNCLEAR[:4]), [CLAIM])
    result = only(whole[:-1])

    assert (result.verdict, result.look.seeds, result.test.n) == ("inconclusive", 3, 3)
    assert only(whole).look.seeds == 4


def test_what_one_look_would_show_is_not_shown_by_nine():
    differences = [0.011, 0.008, 0.009, 0.0125]
    source = [value - 0.0065 for value in differences]
    strict = [{**CLAIM, "margin": 0.0001}]
    fixed = only(grow(pairs(source), strict, looks=(4,)))
    growing = only(grow(pairs(source), strict))

    assert fixed.test.p == pytest.approx(stats.ttest_1samp(source, 0).pvalue)
    assert 0.0093 < fixed.test.p < 0.05
    assert (fixed.verdict, growing.verdict) == ("supported", "inconclusive")


def test_a_claim_that_is_decided_frees_its_cells():
    group = {**CLAIM, "treatment": {"model.norm.name": "group"}, "statement": "so is group norm"}
    columns = {**pairs(UNCLEAR[:3]), "layer": [0.5, 0.6, 0.55]}
    columns["group"] = [value + 0.2 + 0.0001 * i for i, value in enumerate(columns["none"])]
    progress = find_progress(grow(columns, [CLAIM, group]))

    assert (progress.decided, progress.claims) == (1, 2)
    assert progress.needed == {"norm=none", "norm=batch"}
    assert find_progress(grow(pairs(CLEAR[:3]), [CLAIM])).needed == frozenset()


def test_a_claim_that_was_planned_twice_is_one_claim_and_its_old_plan_needs_no_runs():
    old = grow(pairs(UNCLEAR[:3]), [CLAIM], looks=(3,))
    whole = grow(pairs(UNCLEAR[:4]), [CLAIM])
    records = [*old, *(run for run in whole if run.seed == 3)]
    progress = find_progress(records)

    assert (progress.decided, progress.claims) == (0, 1)
    assert progress.needed == {"norm=none", "norm=batch"}
    assert find_progress(old).needed == frozenset(), "all of its looks have been taken"


def test_claims_are_corrected_for_each_other_at_each_look():
    other = {**CLAIM, "statement": "or not", "metric": "test/loss"}
    (one, _) = compare_runs(grow(pairs(CLEAR[:3]), [CLAIM, other])).claims

    assert one.p_holm == pytest.approx(2 * overall_p(one.test.p, LOOKS, "paired"))


@pytest.mark.parametrize(("looks", "number"), [((3, 4, 5, 6, 8), 6), ((6, 7), 6)])
def test_signs_decide_at_no_look_before_those_that_they_pay_for(looks, number):
    rates = (0.01, 0.1, 0.11, 1.0)
    reduction = {"name": "largest_stable", "over": "optim.learning_rate", "threshold": 0.2}
    claims = ({**CLAIM, "reduction": {**reduction, "scale": "log10"}, "margin": 0.45},)
    plan = flatten({"planned": {"seeds": [*range(looks[-1])], "looks": [*looks], "cells": 8}})

    def found(seeds):
        records = [
            build_run(
                f"norm={norm},learning_rate={rate}",
                seed,
                0.5 if rate <= ceiling else 0.1,
                claims=claims,
                settings={"model.norm.name": norm, "optim.learning_rate": rate},
                environment=build_environment(seed, **plan),
            )
            for norm, ceiling in (("none", 0.1), ("batch", 1.0))
            for rate in rates
            for seed in range(seeds)
        ]
        return only(records)

    # All signs agree: p is 0.03 at six pairs, but a look there and a later one err more often.
    assert (found(number).verdict, found(number).test.p) == ("inconclusive", 2**-5)
    assert found(looks[-1]).verdict == "supported"


def test_shares_decide_at_no_look_before_those_that_they_pay_for():
    share = {**CLAIM, "metric": "diverged", "direction": "lower", "margin": 0.2}
    plan = flatten({"planned": {"seeds": [*range(5)], "looks": [3, 4, 5], "cells": 2}})

    def found(seeds):
        records = [
            build_run(
                f"norm={norm}",
                seed,
                state=state,
                claims=(share,),
                environment=build_environment(seed, **plan),
            )
            for norm, state in (("none", "diverged"), ("batch", "finished"))
            for seed in range(seeds)
        ]
        return only(records)

    assert (found(4).verdict, found(5).verdict) == ("inconclusive", "supported")
    assert found(4).test.p < 0.05


def share_of_supported(experiments, effect, *, claims=1, seed=1):
    """Returns the share of experiments with a wrong or right `supported`, and the mean seeds."""
    source = random.Random(seed)
    found, seeds = 0, []
    for _ in range(experiments):
        differences = [effect + source.gauss(0, 1) for _ in range(LOOKS[-1])]
        columns = {
            "none": [0.5] * LOOKS[-1],
            "batch": [0.5 + 0.001 * value for value in differences],
        }
        result = only(grow(columns, [{**CLAIM, "margin": 1e-9}]))
        found += result.verdict in ("supported", "contradicted")
        seeds.append(result.look.seeds)
    return found / experiments, fmean(seeds)


def test_looks_err_in_five_percent_and_find_what_is_there():
    wrong, _ = share_of_supported(60, 0.0)
    right, seeds = share_of_supported(20, 3.0)

    assert wrong <= 0.05 + 4 * (0.05 * 0.95 / 60) ** 0.5
    assert right == 1
    assert seeds == pytest.approx(4.3, abs=0.8)  # 60,000 experiments elsewhere: 4.3


@pytest.mark.slow
def test_looks_err_in_five_percent_precisely():
    wrong, seeds = share_of_supported(4000, 0.0)
    right, fewer = share_of_supported(4000, 1.0)

    assert wrong == pytest.approx(0.05, abs=0.014)
    assert seeds == pytest.approx(19.4, abs=0.3)
    assert right == pytest.approx(0.945, abs=0.015)
    assert fewer == pytest.approx(11.1, abs=0.4)
