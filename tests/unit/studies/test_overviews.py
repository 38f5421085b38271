"""Beside the figures of its claims, a study shows what no claim is about."""

from dataclasses import replace

from records import build_environment, build_run, claim

from bnexp.analysis.comparison import compare_runs
from bnexp.runs.record import Series
from bnexp.studies.report.drawing import list_overviews, list_unclaimed

NORM, SIZE, EPOCHS = "model.norm.name", "data.batch_size", "train.epochs"
RATE = "optim.learning_rate"


def titles(cells, **asked):
    """Returns the titles of the figures, of cells with three seeds each."""
    runs = [
        build_run(
            ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items()),
            seed,
            0.3 + 0.02 * place + 0.01 * seed,
            claims=(claim(**asked),),
            settings=settings,
            speed=1000.0 - 20 * place,
            environment=build_environment(2 * seed + place),
        )
        for place, settings in enumerate(cells)
        for seed in range(3)
    ]
    return [chart.title for chart in list_overviews(compare_runs(runs), runs)]


NORMS = [{NORM: name} for name in ("none", "batch", "group")]


def test_without_a_swept_number_it_is_what_the_variants_differ_by_in_the_claims_figures():
    assert titles(NORMS) == ["study: test/accuracy against norm=none"]
    assert titles(NORMS, metric="images_per_second", margin=10) == [
        "study: images_per_second against norm=none"
    ]


def test_claims_about_a_ratio_have_the_ratios_of_all_variants():
    asked = {"metric": "images_per_second", "margin": 0.05, "as": "ratio"}
    assert titles(NORMS, **asked) == ["study: images_per_second, relative to norm=none"]


def test_with_one_it_is_the_metric_over_that_number():
    sizes = [{NORM: name, SIZE: size} for name in ("none", "batch") for size in (16, 128)]
    first = {"treatment": {NORM: "batch", SIZE: 16}, "control": {NORM: "none", SIZE: 16}}

    assert titles(sizes, **first) == ["study: test/accuracy over batch size"]


def test_numbers_that_move_together_are_shown_once():
    sizes = [
        {NORM: name, SIZE: size, EPOCHS: epochs}
        for name in ("none", "batch")
        for size, epochs in ((16, 3), (128, 12))
    ]
    first = {"treatment": {NORM: "batch", SIZE: 16}, "control": {NORM: "none", SIZE: 16}}

    assert titles(sizes, **first) == ["study: test/accuracy over batch size, and with it epochs"]


def test_crowded_figures_are_left_out_beside_others():
    def cells(rates, norms):
        return [
            {NORM: norm, RATE: rate, SIZE: size}
            for norm in norms
            for rate in rates
            for size in (16, 128)
        ]

    first = {RATE: 0.1, SIZE: 16}
    asked = {"treatment": {NORM: "batch", **first}, "control": {NORM: "none", **first}}
    rates = (0.01, 0.03, 0.1, 0.3, 1.0)

    # Over the rate, there is a line per norm and size; over the size, one per norm and rate.
    assert titles(cells(rates, ("none", "batch")), **asked) == [
        "study: test/accuracy over learning rate"
    ]
    crowded = titles(cells(rates, ("none", "batch", "group", "layer", "instance")), **asked)
    assert crowded == [
        f"study: test/accuracy over {axis}" for axis in ("learning rate", "batch size")
    ]


def test_claims_about_all_variants_need_none():
    assert titles(NORMS[:2]) == []


def test_what_diagnostics_measured_is_shown_if_no_claim_is_about_it():
    measured = {
        f"diag/{quantity}/{layer}": Series((5, 15), (1, 2), (0.5, 0.1))
        for quantity in ("gradient_norm", "update_ratio")
        for layer in ("conv1", "conv2")
    }
    asked = claim(metric="diag/gradient_norm", layers="median")
    runs = [
        replace(
            build_run(f"norm={norm}", seed, 0.5, claims=(asked,), settings={NORM: norm}),
            diagnostics=measured,
        )
        for norm in ("none", "batch")
        for seed in range(3)
    ]
    titles = [chart.title for chart in list_unclaimed(compare_runs(runs), runs)]
    assert titles == ["study: update ratio of each layer over the epochs"]


def test_without_diagnostics_nothing_of_them_is_shown():
    runs = [build_run(f"norm={norm}", seed) for norm in ("none", "batch") for seed in range(3)]

    assert list_unclaimed(compare_runs(runs), runs) == []
