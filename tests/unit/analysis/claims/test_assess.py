"""Claims in, verdicts out: on made-up runs whose figures are known."""

import math
from dataclasses import replace

import pytest
from records import CLAIM, build_run, claim
from scipy import stats

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.stats.intervals import holm
from bnexp.reports.words.claims import describe_claim, describe_measure
from bnexp.runs.record import flatten

NONE = [0.60, 0.62, 0.61, 0.59, 0.60]
SEEDS = range(5)


def cell(name, values, claims, *, settings=None, **fields):
    return [
        build_run(name, seed, value, claims=claims, settings=settings, **fields)
        for seed, value in enumerate(values)
    ]


def assess(batch, *, none=NONE, **changes):
    claims = (claim(**changes),)
    records = [*cell("norm=none", none, claims), *cell("norm=batch", batch, claims)]
    return only(compare_runs(records))


def only(comparison):
    (result,) = comparison.claims
    return result


def shifted(by, noise=(0.001, -0.001, 0.002, 0.0, -0.002)):
    return [value + by + extra for value, extra in zip(NONE, noise, strict=True)]


def test_runs_without_claims_have_no_verdicts():
    assert compare_runs([build_run()]).claims == ()


def test_a_clear_difference_in_the_predicted_direction_supports_the_claim():
    batch = shifted(0.05)
    result = assess(batch)
    expected = stats.ttest_rel(batch, NONE)

    assert result.verdict == "supported"
    assert result.treatment.remarks == result.control.remarks == ()
    assert result.test.mean == pytest.approx(0.05)
    assert result.test.p == result.p_holm == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (result.test.ci_low, result.test.ci_high) == pytest.approx((interval.low, interval.high))
    assert (result.test.name, result.test.n, result.test.is_paired) == ("paired t test", 5, True)


def test_a_clear_difference_the_other_way_contradicts_it():
    assert assess(shifted(-0.05)).verdict == "contradicted"
    assert assess(shifted(0.05), direction="lower").verdict == "contradicted"


def test_a_difference_shown_to_be_smaller_than_the_margin_is_equivalent():
    result = assess(shifted(0.0005, (0.001, -0.001, 0.001, -0.001, 0.0)))
    differences = [-value + 0.01 for value in result.test.by_seed.values()]

    assert result.verdict == "equivalent"
    assert result.p_equivalence == pytest.approx(
        stats.ttest_1samp(differences, 0, alternative="greater").pvalue, rel=0.01
    )


def test_a_difference_that_is_sure_but_too_small_to_matter_is_equivalent():
    result = assess(shifted(0.004, (0.0002, -0.0002, 0.0001, 0.0, -0.0001)))

    assert result.test.p < 0.001
    assert result.verdict == "equivalent"


def test_what_is_neither_shown_nor_excluded_is_inconclusive_with_the_seeds_it_takes():
    noise = (0.03, -0.02, 0.01, -0.03, 0.02)
    result = assess(shifted(0.01, noise))
    spread = stats.tstd([0.01 + value for value in noise])

    assert result.verdict == "inconclusive"
    assert "neither" in result.obstacle.text
    assert power_of_paired_t(0.01, spread, result.seeds_needed) >= 0.8
    assert power_of_paired_t(0.01, spread, result.seeds_needed - 1) < 0.8


def test_the_seeds_it_takes_are_named_also_if_one_seed_shows_no_difference():
    result = assess([*shifted(0.01, (0.03, -0.02, 0.01, -0.03, 0.0))[:4], NONE[4]])

    assert result.test.by_seed[4] == 0
    spread = stats.tstd([*result.test.by_seed.values()])
    assert power_of_paired_t(0.01, spread, result.seeds_needed) >= 0.8
    assert power_of_paired_t(0.01, spread, result.seeds_needed - 1) < 0.8


def power_of_paired_t(effect, spread, n):
    critical = stats.t.ppf(0.975, n - 1)
    shift = effect / spread * math.sqrt(n)
    return stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)


def test_equality_is_supported_where_the_difference_lies_within_the_margin():
    assert assess(shifted(0.0), direction="equal").verdict == "supported"


def test_equality_is_contradicted_only_where_the_difference_lies_beyond_the_margin():
    assert assess(shifted(0.05), direction="equal").verdict == "contradicted"
    barely = assess(shifted(0.0105), direction="equal")

    assert barely.verdict == "inconclusive"
    assert barely.test.p < 0.001


def test_seeds_that_need_not_pair_are_compared_by_welch():
    claims = (claim(paired=False),)
    none = cell("norm=none", NONE, claims)
    batch = [build_run("norm=batch", 10 + seed, 0.7 + 0.01 * seed, claims=claims) for seed in SEEDS]
    result = only(compare_runs([*none, *batch]))
    values = [0.7 + 0.01 * seed for seed in SEEDS]

    assert (result.test.name, result.verdict) == ("Welch's t test", "supported")
    assert result.test.p == pytest.approx(stats.ttest_ind(values, NONE, equal_var=False).pvalue)


def test_two_claims_share_holms_family():
    claims = (CLAIM, claim(statement="worse", direction="lower", metric="test/loss", margin=0.1))
    losses = [1.0, 1.1, 1.05, 0.95, 1.02]
    records = [
        build_run(name, seed, value, claims=claims, final={"test/loss": loss})
        for name, values, offset in (("norm=none", NONE, 0.0), ("norm=batch", shifted(0.05), -0.5))
        for seed, value in enumerate(values)
        for loss in [losses[seed] + offset + 0.01 * seed * (offset < 0)]
    ]
    better, lower = compare_runs(records).claims

    assert (better.p_holm, lower.p_holm) == holm([better.test.p, lower.test.p])
    assert better.test.p != better.p_holm or lower.test.p != lower.p_holm


# What forbids a verdict


def test_a_verdict_waits_for_runs_that_have_not_ended():
    claims = (CLAIM,)
    running = build_run("norm=batch", 5, state="running", claims=claims)
    records = [*cell("norm=none", NONE, claims), *cell("norm=batch", shifted(0.05), claims)]
    result = only(compare_runs([*records, running]))

    assert result.verdict == "inconclusive"
    assert "1 of 11 planned runs have no result yet" in result.obstacle.text


def test_a_claim_written_after_its_runs_gets_no_verdict():
    early = cell("norm=none", NONE, ())
    late = cell("norm=batch", shifted(0.05), (CLAIM,))
    result = only(compare_runs([*early, *late]))

    assert (result.verdict, result.would_be) == ("exploratory", "supported")
    assert "first seen when some of them had results" in result.caveats[0].text


def test_sides_that_differ_in_more_than_the_sweep_get_no_verdict():
    config = {"train.epochs": 10}
    none = cell("norm=none", NONE, (CLAIM,), config={**config, "model.norm.name": "none"})
    config = {"train.epochs": 20}
    batch = cell(
        "norm=batch", shifted(0.05), (CLAIM,), config={**config, "model.norm.name": "batch"}
    )
    result = only(compare_runs([*none, *batch]))

    assert result.verdict == "inconclusive"
    assert "train.epochs" in result.obstacle.text


def with_diverged(number, **changes):
    claims = (claim(**changes),)
    diverged = [
        build_run("norm=none", seed, state="diverged", claims=claims) for seed in range(number)
    ]
    rest = [run for run in cell("norm=none", NONE, claims) if run.seed >= number]
    return only(compare_runs([*diverged, *rest, *cell("norm=batch", shifted(0.05), claims)]))


def test_diverged_runs_leave_the_claim_open_unless_it_says_what_they_count_as():
    silent, spoken = with_diverged(5), with_diverged(5, diverged_as=0.1)

    assert (silent.verdict, spoken.verdict) == ("inconclusive", "supported")
    assert "5 of 10 runs diverged" in silent.obstacle.text
    assert spoken.control.values[4] == 0.1


@pytest.mark.parametrize("number", [1, 4])
def test_a_side_of_which_some_runs_diverged_has_no_mean_to_compare(number):
    result = with_diverged(number, diverged_as=0.1)

    assert result.verdict == "inconclusive"
    assert f"{number} of 5 runs of the control diverged or ended at chance" in result.obstacle.text


def test_one_seed_gets_no_verdict():
    result = assess([0.9], none=[0.1])

    assert result.verdict == "inconclusive"
    assert result.obstacle.text.startswith("a verdict takes at least 3 measured seeds on each side")


def test_the_same_difference_in_every_seed_is_worth_as_many_signs():
    base = [0.5, 0.25, 0.125, 0.375, 0.0625, 0.75]
    six = assess([value + 0.25 for value in base], none=base)
    five = assess([value + 0.25 for value in base[:5]], none=base[:5])

    assert (six.verdict, six.test.p, six.test.name) == ("supported", 2 / 64, "sign-flip test")
    assert (five.verdict, five.test.p) == ("inconclusive", 2 / 32)


def test_swept_keys_that_the_claim_does_not_name_are_told():
    claims = (CLAIM,)
    none = {"model.norm.name": "none", "optim.learning_rate": 0.02}
    batch = {"model.norm.name": "batch", "optim.learning_rate": 0.2}
    records = [
        *cell("norm=none,learning_rate=0.02", NONE, claims, settings=none),
        *cell("norm=batch,learning_rate=0.2", shifted(0.05), claims, settings=batch),
    ]
    result = only(compare_runs(records))

    assert result.verdict == "inconclusive"
    assert "the two sides differ in more than the claim names: optim" in result.obstacle.text
    assert result.also_differ == ("optim.learning_rate",)


def test_a_side_of_two_cells_is_not_compared_with_one():
    claims = (CLAIM,)
    batch = {"model.norm.name": "batch"}
    records = [
        *cell("norm=none", NONE, claims),
        *cell("slow", shifted(0.05), claims, settings={**batch, "optim.learning_rate": 0.02}),
        *cell("fast", shifted(0.06), claims, settings={**batch, "optim.learning_rate": 0.2}),
    ]
    result = only(compare_runs(records))

    assert result.verdict == "inconclusive"
    assert result.obstacle.text.startswith("the treatment is 2 cells, and the claim compares one")


def planned(records, seeds, cells=2):
    environment = flatten({"planned": {"seeds": list(seeds), "cells": cells}})
    return [replace(record, environment=environment) for record in records]


def test_a_verdict_waits_for_planned_runs_that_were_removed():
    claims = (CLAIM,)
    records = [*cell("norm=none", NONE, claims), *cell("norm=batch", shifted(0.05), claims)]
    result = only(compare_runs(planned(records[:-1], range(5))))

    assert result.verdict == "inconclusive"
    assert result.obstacle.text.startswith("1 of 10 planned runs have no result yet")
    assert only(compare_runs(planned(records, range(5)))).verdict == "supported"


def test_seeds_that_were_added_later_make_the_claim_exploratory():
    claims = (CLAIM,)
    records = [*cell("norm=none", NONE, claims), *cell("norm=batch", shifted(0.05), claims)]
    first = planned([run for run in records if run.seed < 3], range(3))
    second = planned([run for run in records if run.seed > 2], range(5))
    three, five = compare_runs([*first, *second]).claims

    assert (three.verdict, three.look.seeds, three.test.n) == ("supported", 3, 3)
    assert (five.verdict, five.would_be, five.test.n) == ("exploratory", "supported", 5)
    assert three.p_holm == three.test.p, "what cannot be supported is no part of the family"


def test_claims_that_cannot_be_tested_yet_count_in_holms_family():
    open_claim = claim(statement="open", treatment={"model.norm.name": "group"})
    claims = (CLAIM, open_claim)
    records = [*cell("norm=none", NONE, claims), *cell("norm=batch", shifted(0.05), claims)]
    running = build_run("norm=group", 0, state="running", claims=claims)
    tested, _ = compare_runs([*records, running]).claims

    assert tested.p_holm == pytest.approx(2 * tested.test.p)


def test_what_every_diverged_run_counts_as_is_not_compared_with_itself():
    claims = (claim(direction="equal", diverged_as=0.1),)
    records = [
        build_run(name, seed, state="diverged", claims=claims)
        for name in ("norm=none", "norm=batch")
        for seed in SEEDS
    ]
    result = only(compare_runs(records))

    assert result.verdict == "inconclusive"
    assert "compared with itself" in result.obstacle.text


def test_runs_whose_claims_cannot_be_read_are_told_as_that():
    claims = (CLAIM,)
    lost = cell("norm=none", NONE[:1], (), config={})
    rest = [*cell("norm=none", NONE, claims)[1:], *cell("norm=batch", shifted(0.05), claims)]
    result = only(compare_runs([*lost, *rest]))

    assert result.obstacle.text.startswith("1 of 10 runs have no readable environment.json")


def test_four_identical_seeds_are_no_proof_of_equality():
    four = assess(NONE[:4], none=NONE[:4], direction="equal")
    five = assess(NONE, direction="equal")

    assert (four.verdict, four.p_equivalence) == ("inconclusive", 1 / 16)
    assert (five.verdict, five.p_equivalence) == ("supported", 1 / 32)


# Divergence and time to target


def test_the_share_of_diverged_runs_is_tested_by_fisher():
    claims = (claim(metric="diverged", direction="lower", margin=0.2),)
    none = [build_run("norm=none", seed, state="diverged", claims=claims) for seed in SEEDS]
    result = only(compare_runs([*none, *cell("norm=batch", NONE, claims)]))

    assert result.test.p == pytest.approx(stats.fisher_exact([[0, 5], [5, 0]]).pvalue)
    assert (result.verdict, result.test.mean) == ("supported", -1.0)


DATA = {"data.train_size": 1000, "data.batch_size": 10, "data.drop_last": False}
"""A hundred steps an epoch, as the made-up summaries have them."""


def race(slow, fast, **changes):
    """Runs a claim that the treatment is faster to 0.5, on histories; None for diverged at once."""
    changes = {"metric": "steps_to_target", "target": 0.5, "margin": 50, **changes}
    claims = (claim(direction="lower", **changes),)
    records = []
    for norm, history in (("none", slow), ("batch", fast)):
        settings = {"model.norm.name": norm}
        config = {**DATA, "train.epochs": 4, **settings}
        for seed in SEEDS:
            fields = {"state": "diverged", "history": (0.1,)} if history is None else {}
            fields = fields or {"history": history}
            value = fields["history"][-1]
            name = f"norm={norm}"
            records.append(build_run(name, seed, value, claims=claims, config=config, **fields))
    return only(compare_runs(records))


def test_a_run_that_never_reaches_the_target_counts_as_its_budget():
    result = race((0.1, 0.2, 0.3, 0.4), (0.4, 0.6, 0.7, 0.8))

    assert (result.treatment.mean, result.control.mean) == (200, 400)
    assert (result.test.name, result.test.p) == ("sign-flip test", 2 / 32)
    assert result.control.remarks == ("0 of 5 runs reached the target",)


def test_a_run_that_diverged_early_is_not_the_fastest():
    result = race((0.1, 0.2, 0.6, 0.7), None)

    assert (result.treatment.mean, result.control.mean) == (400, 300)
    assert result.verdict == "inconclusive"


def test_where_no_run_of_either_side_arrives_there_is_no_verdict():
    result = race((0.1, 0.2, 0.3, 0.4), None)

    assert result.verdict == "inconclusive"
    assert result.obstacle.text == "no run of either side reached the target"


def test_both_sides_are_given_the_same_time():
    result = race((0.1, 0.6), (0.1, 0.2, 0.3, 0.4, 0.6), metric="epochs_to_target", margin=1)

    assert (result.treatment.mean, result.control.mean) == (2, 2)


# Reductions

RATES = (0.01, 0.1, 1.0)


def sweep(claims, tables, *, seeds=6, **fields):
    """Builds runs from {norm: {rate: value, or None for diverged}}; a callable takes the seed."""
    records = []
    for norm, by_rate in tables.items():
        for rate, value in by_rate.items():
            settings = {"model.norm.name": norm, "optim.learning_rate": rate}
            for seed in range(seeds):
                own = value(seed) if callable(value) else value
                state = "diverged" if own is None else "finished"
                name = f"norm={norm},learning_rate={rate}"
                extra = {"val/accuracy": (own or 0) - 0.01, **fields}
                records.append(
                    build_run(
                        name,
                        seed,
                        own or 0.0,
                        state=state,
                        settings=settings,
                        claims=claims,
                        final=extra,
                    )
                )
    return records


def reduction(name, **fields):
    return {"name": name, "over": "optim.learning_rate", **fields}


def test_the_largest_stable_rate_is_compared_in_factors_of_ten_by_signs():
    claims = (
        claim(margin=0.3, reduction=reduction("largest_stable", scale="log10", threshold=0.2)),
    )
    tables = {
        "none": {0.01: 0.5, 0.1: 0.15, 1.0: None},
        "batch": {0.01: 0.5, 0.1: 0.6, 1.0: 0.55},
    }
    six = only(compare_runs(sweep(claims, tables)))
    five = only(compare_runs(sweep(claims, tables, seeds=5)))

    assert (six.treatment.mean, six.control.mean, six.test.mean) == (0.0, -2.0, 2.0)
    assert six.treatment.remarks == ("at the top of the axis in 6 of 6 seeds",)
    assert (six.test.p, six.verdict, six.test.name) == (2 / 64, "supported", "sign-flip test")
    assert (five.test.p, five.verdict, five.seeds_needed) == (2 / 32, "inconclusive", 6)


def test_the_best_rate_is_chosen_on_validation_and_reported_on_test():
    claims = (claim(reduction=reduction("best")),)
    tables = {
        "none": {0.001: 0.1, 0.01: lambda seed: 0.50 + 0.01 * seed, 0.1: 0.4, 1.0: None},
        "batch": {0.001: 0.1, 0.01: 0.5, 0.1: lambda seed: 0.7 + 0.001 * seed, 1.0: 0.6},
    }
    result = only(compare_runs(sweep(claims, tables)))

    assert (result.control.axis_values, result.treatment.axis_values) == ((0.01,), (0.1,))
    assert result.control.values[3] == pytest.approx(0.53)
    assert sorted(result.control.values) == [2, 3, 4, 5], "the first two seeds chose"
    assert result.verdict == "supported"


def test_a_rate_at_which_a_run_lacks_the_selecting_metric_is_no_choice():
    claims = (claim(reduction=reduction("best", select_by="val/accuracy")),)
    tables = {norm: {0.01: 0.5, 0.1: 0.6, 1.0: 0.7} for norm in ("none", "batch")}
    records = sweep(claims, tables)
    lacking = next(run for run in records if run.seed == 0 and "rate=1.0" in run.cell)
    del lacking.summary.final["val/accuracy"]
    result = only(compare_runs(records))

    assert (result.control.axis_values, result.treatment.axis_values) == ((0.1,), (1.0,))


def test_a_best_value_at_an_end_of_the_axis_leaves_the_claim_open():
    claims = (claim(reduction=reduction("best")),)
    tables = {
        "none": {0.001: 0.1, 0.01: lambda seed: 0.5 + 0.01 * seed, 0.1: 0.4},
        "batch": {0.001: 0.1, 0.01: 0.5, 0.1: lambda seed: 0.7 + 0.001 * seed},
    }
    result = only(compare_runs(sweep(claims, tables)))

    assert result.verdict == "inconclusive"
    text = "the best optim.learning_rate of the treatment is 0.1, at an end of the axis"
    assert text in result.obstacle.text


def test_the_range_over_the_axis_is_one_number_a_seed():
    claims = (claim(direction="lower", diverged_as=0.1, reduction=reduction("range")),)
    tables = {
        "none": {0.01: lambda seed: 0.5 + 0.01 * seed, 0.1: 0.4, 1.0: None},
        "batch": {0.01: 0.5, 0.1: lambda seed: 0.6 + 0.001 * seed, 1.0: 0.55},
    }
    result = only(compare_runs(sweep(claims, tables)))

    assert result.control.values[2] == pytest.approx(0.52 - 0.1)
    assert result.treatment.values[2] == pytest.approx(0.602 - 0.5)
    assert sorted(result.control.values) == [2, 3, 4, 5], "the first two seeds chose"
    assert result.verdict == "supported"
    measured = " ".join(describe_claim(result).measured.split())
    assert measured == "10.3 points against 43.5 points", "10.35 and 43.5"


def test_the_slope_is_that_of_least_squares_over_the_scaled_axis():
    claims = (claim(reduction=reduction("slope", scale="log10"), margin=0.01),)
    tables = {
        "none": {0.01: lambda seed: 0.5 + 0.01 * seed, 0.1: 0.4, 1.0: 0.2},
        "batch": {0.01: 0.5, 0.1: lambda seed: 0.6 + 0.002 * seed, 1.0: 0.7},
    }
    result = only(compare_runs(sweep(claims, tables)))

    expected = stats.linregress([-2, -1, 0], [0.52, 0.4, 0.2]).slope
    assert result.control.values[2] == pytest.approx(expected)
    assert describe_measure(result.claim) == "slope of test/accuracy over log10 optim.learning_rate"


def test_a_slope_may_be_compared_with_a_number():
    claims = (claim(reduction=reduction("slope", scale="log10"), control=0, margin=0.01),)
    tables = {"batch": {0.01: 0.4, 0.1: 0.5, 1.0: lambda seed: 0.6 + 0.01 * seed}}
    result = only(compare_runs(sweep(claims, tables)))

    slopes = [0.1 + 0.005 * seed for seed in range(6)]
    assert result.test.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue)
    assert result.verdict == "supported"


def test_sides_with_other_axes_are_not_compared():
    claims = (claim(reduction=reduction("largest_stable", scale="log10")),)
    tables = {"none": {0.01: 0.5, 0.1: 0.5}, "batch": {0.1: 0.5, 1.0: 0.5}}
    result = only(compare_runs(sweep(claims, tables)))

    assert result.verdict == "inconclusive"
    reason = "the treatment has 0.1, 1, the control 0.01, 0.1; give both"
    assert result.obstacle.text.startswith(reason)


def test_runs_without_the_metric_are_neither_stable_nor_unstable():
    claims = (
        claim(metric="val/loss", margin=0.3, reduction=reduction("largest_stable", threshold=1)),
    )
    tables = {"none": {0.01: 0.5, 0.1: 0.5}, "batch": {0.01: 0.5, 0.1: 0.5}}
    result = only(compare_runs(sweep(claims, tables)))

    assert result.verdict == "inconclusive"
    assert "no seed of the treatment has a figure" in result.obstacle.text


@pytest.mark.parametrize(
    ("known", "images"),
    [
        ({"dataset.train_images": 9000, "dataset.test_images": 2000}, (8500, 2000)),
        ({"dataset.train_images": 9000}, None),
        ({"dataset.test_images": 2000}, None),
    ],
)
def test_the_pictures_are_counted_if_both_numbers_are_known(known, images):
    claims, settings = (claim(),), {"data.val_size": 500}
    records = [
        replace(run, environment={**run.environment, **known})
        for name, values in (("norm=none", NONE), ("norm=batch", shifted(0.05)))
        for run in cell(name, values, claims, settings={**settings, "model.norm": name[5:]})
    ]

    assert only(compare_runs(records)).images == images


@pytest.mark.parametrize("direction", ["equal", "not_lower", "not_higher"])
def test_a_p_that_counts_two_sides_is_at_most_one(direction):
    test = assess(shifted(0.0), direction=direction, margin=0.05).test

    assert max(test.p_for, test.p_against) == 1.0


def test_an_axis_of_two_values_has_ends():
    claims = (
        claim(margin=0.3, reduction=reduction("largest_stable", scale="log10", threshold=0.2)),
    )
    tables = {"none": {0.01: 0.5, 0.1: 0.15}, "batch": {0.01: 0.5, 0.1: 0.6}}

    result = only(compare_runs(sweep(claims, tables)))

    assert result.treatment.remarks == ("at the top of the axis in 6 of 6 seeds",)
