"""Ways to fool a verdict: each input with a sibling, and what must come out."""

import math
from dataclasses import replace
from statistics import geometric_mean

import pytest
from records import build_environment, build_run, claim
from scipy import stats

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.words.claims import describe_claim
from bnexp.runs.claim_record import claim_digest
from bnexp.runs.record import flatten

NONE = [0.60, 0.62, 0.61, 0.59, 0.60]
BATCH = [0.651, 0.669, 0.662, 0.64, 0.648]


def plan(seeds, looks=()):
    content = {"planned": {"seeds": [*seeds], "cells": 2, **({"looks": looks} if looks else {})}}
    return flatten(content)


def cell(name, values, claims, *, seeds=None, environment=None, **fields):
    seeds = range(len(values)) if seeds is None else seeds
    return [
        build_run(
            name,
            seed,
            value,
            claims=claims,
            environment=build_environment(seed, **(environment or {})),
            **fields,
        )
        for seed, value in zip(seeds, values, strict=True)
    ]


def assess(none, batch, *, fields=None, batch_fields=None, seeds=None, **changes):
    claims = (claim(**changes),)
    fields = fields or {}
    records = [
        *cell("norm=none", none, claims, **fields),
        *cell("norm=batch", batch, claims, seeds=seeds, **{**fields, **(batch_fields or {})}),
    ]
    (result,) = compare_runs(records).claims
    return result


# 1, 13: a claim that came after its results


def recorded(digests):
    return {"claims_on_record": digests if digests is None else frozenset(digests)}


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_claim_that_the_record_saw_after_the_results_is_exploratory(direction):
    changed = {"direction": direction}
    result = assess(NONE, BATCH, fields=recorded(()), **changed)

    would_be = "supported" if direction == "higher" else "contradicted"
    assert (result.verdict, result.would_be) == ("exploratory", would_be)


def test_a_claim_that_the_record_saw_before_the_results_is_planned():
    raw = claim()
    seeds = range(5)
    digest = claim_digest(raw, [*seeds], (5,))
    fields = {**recorded([digest]), "environment": plan(seeds)}

    assert assess(NONE, BATCH, fields=fields).verdict == "supported"
    for changed in (claim_digest(raw, [0, 1, 2], (3,)), claim_digest(raw, [*seeds], (3, 5))):
        other = {**recorded([changed]), "environment": plan(seeds)}
        assert assess(NONE, BATCH, fields=other).verdict == "exploratory"


def test_a_claim_about_runs_that_were_trained_on_is_exploratory_without_a_record_too():
    fields = {"environment": {**plan(range(5)), "extends.run": "runs/x/base/seed=0"}}

    assert assess(NONE, BATCH, fields=fields).verdict == "exploratory"
    assert assess(NONE, BATCH, fields={"environment": plan(range(5))}).verdict == "supported"


def test_what_is_not_tested_can_be_rewritten():
    raw, words = claim(), claim(statement="it helps", source="another paper")

    assert claim_digest(raw, [0, 1, 2], (3,)) == claim_digest(words, [0, 1, 2], (3,))
    for change in ({"direction": "lower"}, {"margin": 0.02}, {"metric": "test/loss"}):
        assert claim_digest({**raw, **change}, [0, 1, 2], (3,)) != claim_digest(
            raw, [0, 1, 2], (3,)
        )


# 2: another factor that the sweep varies


def with_epochs(**changes):
    none = {"settings": {"model.norm.name": "none", "train.epochs": 1}}
    batch = {"settings": {"model.norm.name": "batch", "train.epochs": 10}}
    return assess(NONE, BATCH, fields=none, batch_fields=batch, **changes)


def test_a_second_factor_that_the_sweep_varies_leaves_the_claim_open():
    result = with_epochs()

    assert result.verdict == "inconclusive"
    assert "differ in more than the claim names: train.epochs" in result.obstacle.text


def test_unless_the_claim_allows_it_or_is_about_it():
    named = {
        "treatment": {"model.norm.name": "batch", "train.epochs": 10},
        "control": {"model.norm.name": "none", "train.epochs": 1},
    }

    assert with_epochs(allow=["train.epochs"]).verdict == "supported"
    assert with_epochs(**named).verdict == "supported"
    assert with_epochs(allow=["optim.learning_rate"]).verdict == "inconclusive"


# 3: costs


def speeds(start, values):
    return [
        build_run(
            f"norm={name}",
            seed,
            0.5,
            claims=(claim(metric="images_per_second", direction="lower", margin=10),),
            environment={
                "platform": "Linux",
                "created": f"2026-01-01T00:{start(name, seed):02d}:00+00:00",
            },
            speed=speed,
        )
        for name, row in values.items()
        for seed, speed in enumerate(row)
    ]


SPEEDS = {"none": [1000, 1010, 990, 1005], "batch": [800, 805, 795, 802]}


def test_speeds_are_compared_only_if_the_cells_took_turns():
    in_turn = compare_runs(speeds(lambda name, seed: 2 * seed + (name == "batch"), SPEEDS))
    one_by_one = compare_runs(speeds(lambda name, seed: seed + 10 * (name == "batch"), SPEEDS))

    assert in_turn.claims[0].verdict == "supported"
    assert one_by_one.claims[0].verdict == "inconclusive"
    assert "not trained in turn" in one_by_one.claims[0].obstacle.text


def test_speeds_of_runs_that_trained_side_by_side_are_not_judged():
    pairs = compare_runs(speeds(lambda name, seed: seed, SPEEDS))

    assert pairs.claims[0].verdict == "inconclusive"
    assert "at the same time" in pairs.claims[0].obstacle.text


@pytest.mark.parametrize("control", [None, 2000])
def test_speeds_of_runs_beside_other_experiments_are_not_judged(control):
    runs = speeds(lambda name, seed: 2 * seed + (name == "batch"), SPEEDS)
    if control:
        against = claim(metric="images_per_second", direction="lower", margin=10, control=control)
        runs = [replace(run, claims=(against,)) for run in runs]
    disturbed = [replace(run, was_beside_others=run.seed == 1) for run in runs]

    assert compare_runs(runs).claims[0].verdict == "supported"
    found = compare_runs(disturbed).claims[0]
    assert found.verdict == "inconclusive"
    assert "beside others" in found.obstacle.text


WANDERING = {"none": [1000, 700, 1300, 900], "batch": [800, 565, 1030, 725]}


def test_speeds_of_a_machine_that_slows_both_runs_of_a_pair_are_judged_by_their_ratios():
    in_turn = speeds(lambda name, seed: 2 * seed + (name == "batch"), WANDERING)
    by_ratio = {"metric": "images_per_second", "direction": "lower", "margin": 0.05, "as": "ratio"}

    def judge(**changes):
        asked = (claim(**{**by_ratio, **changes}),)
        return compare_runs([replace(run, claims=asked) for run in in_turn]).claims[0]

    found = judge()
    assert found.verdict == "supported"
    ratios = [b / a for a, b in zip(*WANDERING.values(), strict=True)]
    assert math.exp(found.parts[0].test.mean) == pytest.approx(geometric_mean(ratios))
    means = " ".join(describe_claim(found).measured.split())
    assert means == "762.2 images/s against 951.3 images/s", "geometric means, in four digits"
    alone = judge(paired=False)
    assert alone.verdict == "inconclusive"
    assert "differ by more than 20 %" in alone.obstacle.text


def test_the_order_in_the_file_does_not_matter():
    backwards = {name: SPEEDS[name] for name in ("batch", "none")}
    found = compare_runs(speeds(lambda name, seed: 2 * seed + (name == "batch"), backwards))

    assert found.claims[0].verdict == "supported"


# 4: the margin counts for every metric

RATES = (0.01, 0.1, 0.11, 1.0)


def ceilings(none, batch, seeds=8):
    reduction = {"name": "largest_stable", "over": "optim.learning_rate", "scale": "log10"}
    claims = (claim(margin=0.45, reduction={**reduction, "threshold": 0.2}),)
    records = [
        build_run(
            f"norm={norm},learning_rate={rate}",
            seed,
            0.5 if rate <= ceiling else 0.1,
            claims=claims,
            settings={"model.norm.name": norm, "optim.learning_rate": rate},
        )
        for norm, ceiling in (("none", none), ("batch", batch))
        for rate in RATES
        for seed in range(seeds)
    ]
    (result,) = compare_runs(records).claims
    return result


def test_a_ceiling_that_is_sure_to_be_higher_by_less_than_the_margin_is_equivalent():
    assert ceilings(0.1, 0.11).verdict == "equivalent"
    assert ceilings(0.1, 1.0).verdict == "supported"


def test_so_is_a_share_of_diverged_runs():
    def share(none, batch, margin, runs=60):
        claims = (claim(metric="diverged", direction="lower", margin=margin),)
        records = [
            build_run(
                f"norm={norm}",
                seed,
                state="diverged" if seed < number else "finished",
                claims=claims,
            )
            for norm, number in (("none", none), ("batch", batch))
            for seed in range(runs)
        ]
        return compare_runs(records).claims[0].verdict

    assert share(1, 0, 0.2) == "equivalent"
    assert share(20, 0, 0.2) == "supported"


# 5: flat curves with unequal noise have unequal ranges


def test_the_noise_of_a_flat_curve_is_no_range():
    from random import Random

    source = Random(5)
    reduction = {"name": "range", "over": "optim.learning_rate", "scale": "log10"}
    claims = (claim(direction="lower", reduction=reduction),)
    wrong = 0
    for _ in range(60):
        records = []
        for norm, spread in (("none", 0.03), ("batch", 0.005)):
            for rate in (0.01, 0.03, 0.1, 0.3, 1.0):
                for seed in range(8):
                    own, val = (0.5 + spread * source.gauss(0, 1) for _ in range(2))
                    settings = {"model.norm.name": norm, "optim.learning_rate": rate}
                    name = f"norm={norm},learning_rate={rate}"
                    records.append(
                        build_run(
                            name, seed, own, claims=claims, settings=settings,
                            final={"val/accuracy": val},
                        )
                    )  # fmt: skip
        wrong += compare_runs(records).claims[0].verdict == "supported"
    # At most 2.5 % are expected on this side; more than 6 of 60 would be as rare as 1 in 1,000.
    assert wrong <= 6


# 8: figures without noise


def memory(none, batch, **changes):
    changes = {"metric": "training_memory_bytes", "direction": "higher", "margin": 1e6, **changes}
    claims = (claim(**changes),)
    records = [
        replace(run, summary=replace(run.summary, training_memory_bytes=size))
        for name, size in (("norm=none", none), ("norm=batch", batch))
        for run in cell(name, [0.5, 0.6], claims)
    ]
    return compare_runs(records).claims[0]


def test_a_metric_without_noise_is_compared_exactly():
    assert memory(100_000_000, 120_000_000).verdict == "supported"
    assert memory(120_000_000, 100_000_000).verdict == "contradicted"
    assert memory(100_000_000, 100_500_000).verdict == "equivalent"
    assert memory(100_000_000, 100_500_000, direction="equal").verdict == "supported"
    assert memory(100_000_000, 120_000_000, direction="equal").verdict == "contradicted"


def test_an_exact_comparison_counts_all_seeds_if_the_sides_have_other_ones():
    claims = (claim(metric="training_memory_bytes", direction="lower", margin=1e6, paired=False),)
    runs = [
        (build_run(name, seed, 0.5, claims=claims), size)
        for name, size, seeds in (("norm=none", 120, range(3)), ("norm=batch", 100, range(3, 6)))
        for seed in seeds
    ]
    records = [
        replace(run, summary=replace(run.summary, training_memory_bytes=size)) for run, size in runs
    ]
    found = compare_runs(records).claims[0]

    assert (found.test.name, found.test.n) == ("exact comparison", 6)


# 9, 16: networks that learnt nothing

IMAGES = {"dataset.classes": 10, "dataset.test_images": 2000}
GUESSES = [0.1, 0.1, 0.101, 0.1, 0.099]


def test_two_sides_at_chance_are_not_equal():
    result = assess(GUESSES, GUESSES, fields={"environment": IMAGES}, direction="equal")

    assert result.verdict == "inconclusive"
    assert "neither side trained: all 10 runs ended at chance" in result.obstacle.text
    other = {"environment": {**IMAGES, "dataset.classes": 100}}
    assert assess(GUESSES, GUESSES, fields=other, direction="equal").verdict == "supported"


@pytest.mark.parametrize("stuck", [1, 4])
def test_a_side_of_which_some_runs_are_stuck_at_chance_is_a_mixture(stuck):
    none = [*GUESSES[:stuck], *NONE[stuck:]]
    result = assess(none, BATCH, fields={"environment": IMAGES})

    assert result.verdict == "inconclusive"
    assert f"{stuck} of 5 runs of the control diverged or ended at chance" in result.obstacle.text


@pytest.mark.parametrize(
    ("metric", "in_a_folder"),
    [("train/accuracy", 0), ("train_eval/loss", 0), ("val/accuracy", 0), ("val/accuracy", 1000)],
)
def test_so_it_is_on_other_images_than_the_tests(metric, in_a_folder):
    images = metric.partition("/")[0]
    environment = {**IMAGES, "dataset.train_images": 6000, "dataset.val_images": in_a_folder}
    config = {"data.val_size": 0 if in_a_folder else 1000, "model.norm.name": "none"}

    def found(stuck):
        claims = (claim(metric=metric, margin=0.001, direction="higher"),)
        records = [
            build_run(
                f"norm={norm}", seed, value, metric=f"{images}/accuracy", claims=claims,
                environment=environment, config={**config, "model.norm.name": norm},
                final={"test/accuracy": 0.1, metric: value},
            )
            for norm, values in (("none", [*GUESSES[:stuck], *NONE[stuck:]]), ("batch", BATCH))
            for seed, value in enumerate(values)
        ]  # fmt: skip
        for run in records:
            run.summary.final[f"{images}/accuracy"] = run.summary.final[metric]
        return compare_runs(records, Question(metric=metric)).claims[0]

    assert found(0).verdict == "supported"
    assert "2 of 5 runs of the control diverged or ended at chance" in found(2).obstacle.text


def at_best_rate(state="finished", stuck=()):
    """Compares at the learning rate that two seeds choose; 3 measured runs there go wrong."""
    reduction = {"name": "best", "over": "optim.learning_rate"}
    claims = (claim(reduction=reduction),)
    records = []
    for norm, base in (("none", 0.6), ("batch", 0.65)):
        for rate, val in ((0.01, 0.5), (0.1, 0.7), (1.0, 0.5)):
            for seed in range(8):
                is_wrong = norm == "batch" and rate == 0.1 and 2 <= seed < 5
                is_bad = is_wrong and state == "diverged"
                value = 0.1 if seed in stuck and is_wrong else base + 0.001 * (seed % 3)
                settings = {"model.norm.name": norm, "optim.learning_rate": rate}
                records.append(
                    build_run(
                        f"norm={norm},learning_rate={rate}", seed, value, claims=claims,
                        settings=settings, state="diverged" if is_bad else "finished",
                        environment=build_environment(seed, **IMAGES),
                        final={"val/accuracy": val},
                    )
                )  # fmt: skip
    return compare_runs(records).claims[0]


def test_seeds_that_chose_the_axis_value_are_not_counted_among_the_measured():
    result = at_best_rate()

    assert (result.look.seeds, result.look.choosing) == (8, 2)
    assert {part.test.n for part in result.parts} == {6}
    assert describe_claim(result).seeds == "6"


def test_the_survivors_at_the_chosen_axis_value_are_no_evidence():
    assert at_best_rate().verdict == "supported"
    assert "3 of 12 runs diverged" in at_best_rate("diverged").obstacle.text
    stuck = at_best_rate(stuck=(2, 3, 4))
    assert "3 of 6 runs of the treatment diverged or ended at chance" in stuck.obstacle.text


def test_all_runs_of_one_side_at_chance_are_a_result_and_are_said():
    result = assess(GUESSES, BATCH, fields={"environment": IMAGES})

    assert result.verdict == "supported"
    assert result.control.remarks == ("5 of 5 runs ended at chance",)


def test_the_share_of_runs_that_learnt_nothing_is_tested_instead():
    none, batch = [0.1] * 8, [0.6 + seed / 100 for seed in range(8)]
    fields = {"environment": IMAGES}
    changes = {"metric": "untrained", "direction": "lower", "margin": 0.2}
    result = assess(none, batch, fields=fields, **changes)

    assert result.verdict == "supported"
    assert result.test.p == pytest.approx(stats.fisher_exact([[8, 0], [0, 8]]).pvalue)


def test_heavy_skew_is_said():
    skewed = [value + 0.001 * seed for seed, value in enumerate([0.65] * 11)]
    skewed[-1] = 0.9
    none = [0.6] * 11
    found = [caveat.kind for caveat in assess(none, skewed).caveats]
    normal = [0.65 + 0.01 * x for x in (-1.2, -0.7, -0.3, 0, 0.1, 0.3, 0.5, -0.5, 0.8, 1.1, -0.9)]

    assert "skewed" in found
    assert "skewed" not in [caveat.kind for caveat in assess(none, normal).caveats]


# 10: times that are known only to an interval

STEPS = {"data.train_size": 1000, "data.batch_size": 10, "data.drop_last": False}


def race(batch_size, history):
    """Compares steps to 0.5 of 100 steps per epoch with those of another batch size."""
    settings = {"data.batch_size": 10}, {"data.batch_size": batch_size}
    claims = (
        claim(
            treatment={"data.batch_size": batch_size}, control={"data.batch_size": 10},
            metric="steps_to_target", target=0.5, direction="lower", margin=10,
        ),
    )  # fmt: skip
    records = []
    for setting, values in zip(settings, ((0.1, 0.2, 0.3, 0.6), history), strict=True):
        size = setting["data.batch_size"]
        for seed in range(8):
            run = build_run(
                f"batch_size={size}", seed, values[-1], claims=claims, settings=setting,
                config={**STEPS, **setting, "train.epochs": 4}, history=values,
            )  # fmt: skip
            from dataclasses import replace

            steps = 1000 // size * len(values)
            records.append(replace(run, summary=replace(run.summary, steps=steps)))
    return compare_runs(records).claims[0]


def test_steps_to_a_target_are_no_better_known_than_the_evaluations():
    # Between 300 and 400 steps, against some step up to 200: apart. Against up to 400: open.
    assert race(5, (0.6, 0.7, 0.8, 0.9)).verdict == "supported"
    found = race(2, (0.6, 0.7))

    assert (found.verdict, found.test.overlapping) == ("inconclusive", 8)


# 12: many experiments


def test_a_report_over_several_experiments_corrects_over_all_their_claims():
    one = (claim(),)
    records = [
        run
        for name in ("first", "second", "third")
        for run in (
            *cell("norm=none", NONE, one, experiment=name),
            *cell("norm=batch", BATCH, one, experiment=name),
        )
    ]
    results = compare_runs(records).claims

    assert len(results) == 3
    assert [result.p_holm for result in results] == pytest.approx([3 * results[0].test.p] * 3)


# 14: seeds that only one side has


def test_seeds_that_only_one_side_has_are_said_or_compared_unpaired():
    paired = assess(NONE, BATCH, seeds=range(2, 7))
    values = dict(zip(range(2, 7), BATCH, strict=True))
    unpaired = assess(NONE, BATCH, seeds=range(2, 7), paired=False)

    assert paired.test.n == 3
    assert next(caveat.text for caveat in paired.caveats if caveat.kind == "unpaired").startswith(
        "4 runs are left out, because only one side has their seed: seed 0; seed 1; seed 5; seed 6"
    )
    assert (unpaired.test.n, unpaired.test.name) == (10, "Welch's t test")
    expected = stats.ttest_ind([*values.values()], NONE, equal_var=False)
    assert unpaired.test.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("first", "said"), [(3, "2 seeds"), (4, "1 seed"), (5, "no seed")])
def test_less_than_three_seeds_in_common_are_no_verdict(first, said):
    result = assess(NONE, BATCH, seeds=range(first, first + 5))

    assert result.verdict == "inconclusive"
    assert f"the two sides have {said} in common" in result.obstacle.text


# 15: few seeds


@pytest.mark.parametrize("number", [1, 2])
def test_two_seeds_are_no_verdict_however_sure(number):
    result = assess(NONE[:number], [value + 0.05 for value in NONE[:number]])

    assert result.verdict == "inconclusive"
    assert "at least 3 measured seeds" in result.obstacle.text


# 9: tuned values


def tuned_run(norm, depth, seed, value, rate, claims, over=(0.1, 0.3, 1.0), scores=(), **shared):
    tuning = {
        "over": {"optim.learning_rate": [*over]}, "by": "val/accuracy", "seeds": [1000],
        "arm": None, "each": None, **shared,
        "chosen": {"optim.learning_rate": rate}, "at_edge": [], "scores": [*scores],
    }  # fmt: skip
    settings = {"model.norm.name": norm, "model.depth": depth}
    return build_run(
        f"norm={norm},depth={depth}", seed, value, claims=claims, settings=settings,
        config={"train.seed": seed, **settings, "optim.learning_rate": rate},
        environment=build_environment(seed, **flatten({"tuning": tuning})),
    )  # fmt: skip


GROWTH = {
    "contrast": {"name": "contrast", "over": "model.depth", "value": 20, "minus": 8},
    "slope": {"name": "slope", "over": "model.depth"},
}


@pytest.mark.parametrize("reduction", GROWTH.values(), ids=GROWTH)
@pytest.mark.parametrize(
    "kind",
    [
        "tuned",
        "tuned for each norm",
        "mixed in a cell",
        "tuned over other values",
        "tuned apart",
        "tuned in fewer cells",
    ],
)
def test_cells_of_an_axis_may_differ_in_what_was_tuned_for_each(reduction, kind):
    claims = (claim(reduction=reduction, margin=0.001),)
    rates = {("none", 8): 0.3, ("none", 20): 0.1, ("batch", 8): 0.3, ("batch", 20): 1.0}
    records = []
    shared = {"none": {}, "batch": {}}
    if kind == "tuned for each norm":
        rates |= {(norm, 20): rates[norm, 8] for norm in shared}
        where = {"arm": {"model.depth": 8}}
        shared = {norm: {**where, "each": {"model.norm.name": norm}} for norm in shared}
    if kind == "tuned apart":
        shared = {norm: {"each": {"model.norm.name": norm}} for norm in shared}
        shared["batch"] = {"arm": {"model.depth": 8}, **shared["batch"]}
    if kind == "tuned in fewer cells":
        shared = {norm: {"each": {"model.norm.name": norm}} for norm in shared}
        trial = {"values": {"optim.learning_rate": 0.1}, "mean": 0.5, "diverged": 0}
        for norm, number in (("none", 2), ("batch", 1)):
            shared[norm]["scores"] = [{**trial, "n": number}]
    for (norm, depth), rate in rates.items():
        for seed in range(8):
            value = 0.5 + 0.003 * seed + (0.1 + 0.001 * seed) * (norm == "batch") * (depth == 20)
            is_mixed = kind == "mixed in a cell" and (norm, depth, seed) == ("batch", 20, 3)
            is_wider = kind == "tuned over other values" and norm == "batch"
            records.append(
                tuned_run(
                    norm, depth, seed, value, 0.3 if is_mixed else rate, claims,
                    over=(0.1, 0.3, 1.0, 3.0) if is_wider else (0.1, 0.3, 1.0), **shared[norm],
                )
            )  # fmt: skip
    (result,) = compare_runs(records).claims

    if kind in ("tuned", "tuned for each norm"):
        assert result.verdict == "supported"
    else:
        assert (result.verdict, result.obstacle.kind) == ("inconclusive", "confounded")
        assert "optim.learning_rate" in result.obstacle.text


@pytest.mark.parametrize(("depths", "is_fair"), [((20, 20), True), ((20, 56), False)])
def test_norms_tuned_in_one_place_may_differ_in_rate_at_the_same_places_alone(depths, is_fair):
    claims = (
        claim(
            treatment={"model.norm.name": "batch", "model.depth": depths[0]},
            control={"model.norm.name": "none", "model.depth": depths[1]},
        ),
    )
    sides = {"batch": (depths[0], 0.6, 1.0), "none": (depths[1], 0.5, 0.3)}
    records = [
        tuned_run(
            norm, depth, seed, value + 0.001 * seed, rate, claims,
            arm={"model.depth": 20}, each={"model.norm.name": norm},
        )
        for norm, (depth, value, rate) in sides.items()
        for seed in range(8)
    ]  # fmt: skip
    (result,) = compare_runs(records).claims

    assert result.verdict == ("supported" if is_fair else "inconclusive")
    assert is_fair or "optim.learning_rate" in result.obstacle.text


def find_close_calls(scores, *, n=1, rates=(0.3, 1.0), diverged=0, val_size=1000, in_a_folder=None):
    """Returns what is said of tuning that gave no norm and batch norm these rates.

    `scores` are validation accuracies of the first side with the first and with the second rate.
    """
    claims = (claim(),)
    rivals = [
        {
            "values": {"optim.learning_rate": rate}, "mean": mean, "n": n,
            "diverged": diverged if rate != rates[0] else 0,
        }
        for rate, mean in zip((0.3, 1.0), scores, strict=True)
    ]  # fmt: skip
    clear = [
        {"values": {"optim.learning_rate": rate}, "mean": mean, "n": n + diverged, "diverged": 0}
        for rate, mean in ((rates[1], 0.9), (rates[0], 0.1))
    ]
    records = [
        tuned_run(norm, 8, seed, 0.5 + 0.003 * seed + 0.1 * (norm == "batch"), rate, claims,
                  scores=rivals if norm == "none" else clear)
        for norm, rate in zip(("none", "batch"), rates, strict=True)
        for seed in range(8)
    ]  # fmt: skip
    records = [
        replace(
            record,
            config={**record.config, "data.val_size": val_size},
            environment={**record.environment, "dataset.val_images": in_a_folder},
        )
        for record in records
    ]
    comparison = compare_runs(records)
    (result,) = comparison.claims
    assert result.verdict == "supported"
    of_claim, of_cells = (
        [caveat.text for caveat in caveats if caveat.kind == "close call"]
        for caveats in (result.caveats, comparison.caveats)
    )
    assert of_claim == of_cells
    return of_claim


# A share of 0.45 of 1,000 images has a standard error of 0.0157, a difference of two 0.0222.
def test_a_value_that_was_as_good_as_the_chosen_one_is_named_if_the_other_side_has_it():
    (text,) = find_close_calls([0.455, 0.447])

    assert "for norm=none,depth=8, optim.learning_rate 1.0 gave 44.7 %" in text
    assert "optim.learning_rate 0.3 45.5 % of 1,000 validation images in 1 run" in text


@pytest.mark.parametrize(
    ("scores", "others"),
    [
        ([0.455, 0.405], {}),  # 5.0 points, of which 4.4 may be chance
        ([0.455, 0.427], {"n": 4}),  # 2.8 points of four runs each, of which 2.2 may be
        ([0.455, 0.447], {"rates": (0.3, 0.3)}),
        ([0.455, 0.447], {"diverged": 1}),
        ([0.455, 0.447], {"val_size": 100_000}),
        ([0.455, None], {}),
        ([0.455, 0.447], {"val_size": 0}),
    ],
    ids=[
        "clear",
        "clear by runs",
        "one value",
        "diverged",
        "clear by images",
        "not measured",
        "of unknown images",
    ],
)
def test_one_that_was_clearly_worse_or_is_on_no_side_is_not_named(scores, others):
    assert find_close_calls(scores, **others) == []


def test_the_images_may_be_those_of_a_validation_folder():
    (text,) = find_close_calls([0.455, 0.447], val_size=0, in_a_folder=1000)
    assert "of 1,000 validation images" in text
    assert find_close_calls([0.455, 0.447], val_size=0, in_a_folder=100_000) == []


@pytest.mark.parametrize(("scores", "n"), [([0.455, 0.415], 1), ([0.455, 0.435], 4)])
def test_two_standard_errors_are_no_clear_difference(scores, n):
    assert len(find_close_calls(scores, n=n)) == 1


def test_of_many_close_calls_some_are_named_and_the_others_counted():
    scores = [
        {"values": {"optim.learning_rate": rate}, "mean": mean, "n": 1, "diverged": 0}
        for rate, mean in ((0.3, 0.455), (1.0, 0.447))
    ]
    norms = ("none", "batch", "group", "layer", "instance", "rms")
    runs = [
        tuned_run(norm, 8, seed, 0.5 + 0.01 * seed, 0.3 if norm == "none" else 1.0, (),
                  scores=scores)
        for norm in norms
        for seed in range(3)
    ]  # fmt: skip
    runs = [
        replace(run, environment={**run.environment, "dataset.val_images": 1000}) for run in runs
    ]
    (found,) = [one for one in compare_runs(runs).caveats if one.kind == "close call"]
    speeds = compare_runs(runs, Question(metric="images_per_second"))
    assert not [one for one in speeds.caveats if one.kind == "close call"]

    # Without a norm, each of five rivals gave the same value; each rival is close by itself.
    assert len(found.details) == 5
    assert found.details[-1] == "and for 2 more"
    assert found.details[0].startswith("for norm=")
