"""The figure of a claim: which kind it is, and what it draws, against the numbers of the runs."""

from dataclasses import replace
from math import exp, isnan, log

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from records import build_run, claim

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.analysis.stats.intervals import t_interval
from bnexp.reports.figures.claims.figure import build_claim_figure, build_claim_figures
from bnexp.reports.figures.files import write_figures
from bnexp.reports.figures.style import cell_styles, figure_settings
from bnexp.runs.record import Series

NORM, RATE = "model.norm.name", "optim.learning_rate"
GHOST, DEPTH = "model.norm.normalization_batch_size", "model.repeat"
ACTIVATION = "model.activation"
SPREAD = (-0.02, 0.0, 0.05)
NORMS = [{NORM: "none"}, {NORM: "batch"}]


@pytest.fixture(autouse=True)
def settings():
    with figure_settings():
        yield


def build(settings, seed, value, *claims, **fields):
    cell = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
    config = {NORM: "none", "train.epochs": 5, **settings}
    return build_run(cell, seed, value, settings=settings, config=config, claims=claims, **fields)


def sweep(cells, values, *claims, spread=SPREAD, **fields):
    return [
        build(cell, seed, value + aside, *claims, **fields)
        for cell, value in zip(cells, values, strict=True)
        for seed, aside in enumerate(spread)
    ]


def over_rates(*claims, rates=(0.01, 0.1, 1.0), norms=("none", "batch", "group"), **fields):
    cells = [{NORM: norm, RATE: rate} for norm in norms for rate in rates]
    return sweep(cells, [0.4 + index / 100 for index in range(len(cells))], *claims, **fields)


def draw(runs, *, is_wide=True, **question):
    comparison = compare_runs(runs, Question(**question))
    return build_claim_figure(comparison, comparison.claims[0]).draw(is_wide).panels[0]


def find_kind(runs):
    (name,) = build_claim_figures(compare_runs(runs))
    return name


def lines_of(panel, **look):
    return [
        line
        for line in panel.axes.get_lines()
        if all(getattr(line, f"get_{name}")() == value for name, value in look.items())
    ]


def means_of(panel):
    return lines_of(panel, marker="None", linewidth=2.2)


def texts_of(panel):
    return {text.get_text() for text in panel.sheet.figure.texts}


LARGEST = {"name": "largest_stable", "over": RATE, "scale": "log10", "threshold": 0.2}
BEST = {"name": "best", "over": RATE, "tuning_seeds": (0,)}
CONTRAST = {"name": "contrast", "over": RATE, "value": 1.0, "minus": 0.01}
DEPTHS = [{NORM: norm, DEPTH: depth} for norm in ("none", "batch") for depth in (1, 2, 4)]
ACTIVATIONS = [
    {NORM: norm, ACTIVATION: word} for norm in ("none", "batch") for word in ("relu", "tanh")
]


@pytest.mark.parametrize(
    ("runs", "kind"),
    [
        (over_rates(claim(reduction=LARGEST)), "axis"),
        (over_rates(claim(reduction={"name": "slope", "over": RATE})), "axis"),
        (over_rates(claim(reduction=CONTRAST)), "axis"),
        (sweep(DEPTHS, [0.4] * 6, claim(each={DEPTH: (1, 2, 4)})), "axis"),
        (sweep(ACTIVATIONS, [0.4] * 4, claim(each={ACTIVATION: ("relu", "tanh")})), "cases"),
        (sweep(NORMS, [0.4, 0.5], claim(**{"as": "ratio"})), "ratios"),
        (sweep(NORMS, [0.4, 0.5], claim()), "effect"),
        (sweep(NORMS, [0.4, 0.5], claim(control=0.1)), "effect"),
    ],
    ids=["largest", "slope", "contrast", "depths", "words", "ratio", "difference", "number"],
)
def test_the_kind_fits_what_the_claim_is_about(runs, kind):
    assert find_kind(runs) == f"claim_1_{kind}"


def test_nothing_is_drawn_of_cells_that_the_claim_is_not_about():
    panel = draw(over_rates(claim(reduction=LARGEST)))
    assert {"norm=none", "norm=batch"} <= texts_of(panel)
    assert "norm=group" not in texts_of(panel)
    assert [list(line.get_ydata()) for line in means_of(panel)] == [
        pytest.approx([41, 42, 43]),
        pytest.approx([44, 45, 46]),
    ]


def test_a_line_has_the_colour_of_its_cells_in_the_other_figures():
    runs = over_rates(claim(reduction=LARGEST, control={NORM: "batch"}, treatment={NORM: "group"}))
    styles = cell_styles(comparison := compare_runs(runs))
    chart = build_claim_figure(comparison, comparison.claims[0])
    colours = [line.get_color() for line in means_of(chart.draw(True).panels[0])]
    cells = ("name=batch,learning_rate=0.1", "name=group,learning_rate=0.1")
    assert colours == [styles[cell].colour for cell in cells]


def test_diverged_runs_are_counted_below_the_axis_and_in_no_mean():
    runs = over_rates(claim(reduction=LARGEST), spread=(-0.02, 0.0, 0.05, 0.01))
    blown = [
        replace(run, state="diverged")
        if run.settings == {NORM: "none", RATE: 1.0} or (run.settings[RATE] == 0.1 and run.seed > 2)
        else run
        for run in runs
    ]
    panel = draw(blown)
    none, batch = lines_of(panel, marker="x")
    assert list(none.get_xdata()) == [0.1, 1.0]
    assert list(batch.get_xdata()) == [0.1]
    assert {"1 of 4", "4 of 4"} <= texts_of(panel)
    line = means_of(panel)[0]
    assert line.get_ydata()[1] == pytest.approx(42)
    assert isnan(line.get_ydata()[2])


def test_the_largest_stable_rates_stand_at_their_geometric_means():
    runs = over_rates(claim(reduction=LARGEST), norms=("none", "batch"))
    blown = [
        replace(run, state="diverged")
        if run.settings[NORM] == "none" and run.settings[RATE] > (0.01 if run.seed else 0.1)
        else run
        for run in runs
    ]
    panel = draw(blown)
    ceilings = [line.get_xdata()[0] for line in lines_of(panel, linewidth=1.4)]
    # One seed is stable up to 0.1, two up to 0.01; with batch norm all up to the axis's end.
    assert ceilings == pytest.approx([(0.1 * 0.01 * 0.01) ** (1 / 3), 1.0])
    (threshold,) = lines_of(panel, linewidth=1.2)
    assert list(threshold.get_ydata()) == [20, 20]


def test_what_validation_chose_is_ringed_and_tuning_seeds_are_not_drawn():
    runs = [
        replace(
            run,
            summary=replace(
                run.summary,
                final={
                    **run.summary.final,
                    "val/accuracy": 0.9 if run.settings[RATE] == 0.1 else 0.5,
                },
            ),
        )
        for run in over_rates(claim(reduction=BEST), spread=(0.3, 0.0, 0.01, 0.02))
    ]
    panel = draw(runs)
    rings = [line.get_xydata().tolist() for line in lines_of(panel, markersize=17)]
    assert rings == [[pytest.approx([0.1, 42])], [pytest.approx([0.1, 45])]]
    seeds = [value for line in lines_of(panel, markersize=5) for value in line.get_ydata()]
    assert max(seeds) == pytest.approx(47)


def test_a_contrast_joins_its_two_places_in_words():
    axes = draw(over_rates(claim(reduction=CONTRAST))).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "1.0"]
    none, batch = means_of(draw(over_rates(claim(reduction=CONTRAST))))
    assert list(none.get_ydata()) == pytest.approx([41, 43])
    assert list(batch.get_ydata()) == pytest.approx([44, 46])


def test_an_arm_without_the_axis_is_a_band_across_it():
    cells = [*({NORM: "batch", GHOST: size} for size in (2, 8, 32)), {NORM: "group"}]
    words = claim(treatment={NORM: "batch", GHOST: (2, 8, 32)}, control={NORM: "group"})
    panel = draw(sweep(cells, [0.3, 0.4, 0.5, 0.35], words))
    level, line = means_of(panel)
    assert list(line.get_xdata()) == [2, 8, 32]
    assert list(level.get_ydata()) == pytest.approx([36, 36])
    band = next(patch for patch in panel.axes.patches if patch.get_alpha() == 0.1)
    interval = t_interval([0.33, 0.35, 0.4])
    low, high = band.get_y(), band.get_y() + band.get_height()
    assert (low, high) == pytest.approx((100 * interval.low, 100 * interval.high))


def test_each_case_is_a_row_with_its_interval_and_what_they_show_together():
    words = claim(each={ACTIVATION: ("relu", "tanh")}, at_least=1)
    runs = [
        run
        if run.settings[NORM] == "none"
        else replace(
            run, summary=replace(run.summary, final={"test/accuracy": 0.45 + run.seed**2 / 100})
        )
        for run in sweep(ACTIVATIONS, [0.4, 0.3, 0.4, 0.3], words)
    ]
    comparison = compare_runs(runs)
    chart = build_claim_figure(comparison, comparison.claims[0])
    panel = chart.draw(True).panels[0]
    assert {"activation=relu", "activation=tanh"} <= texts_of(panel)
    differences = [
        [0.45 + seed**2 / 100 - value - aside for seed, aside in enumerate(SPREAD)]
        for value in (0.4, 0.3)
    ]
    bars = lines_of(panel, linewidth=2.2)
    for bar, found in zip(bars, differences, strict=True):
        interval = t_interval(found)
        assert list(bar.get_xdata()) == pytest.approx([100 * interval.low, 100 * interval.high])
    assert "Claimed of 1 of 2 cases; together: supported." in chart.caption
    (band,) = [patch for patch in panel.axes.patches if patch.get_alpha() == 0.16]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-1, 1))


def test_ratios_are_bars_from_1_on_a_logarithmic_axis():
    words = claim(metric="test/loss", direction="lower", margin=0.05, **{"as": "ratio"})
    losses = {"none": (1.0, 1.01, 0.99), "batch": (0.8, 0.82, 0.77)}
    runs = [
        build({NORM: norm}, seed, loss, words, metric="test/loss")
        for norm, found in losses.items()
        for seed, loss in enumerate(found)
    ]
    panel = draw(runs, metric="test/loss")
    logs = [log(after / before) for before, after in zip(*losses.values(), strict=True)]
    (bar,) = [patch for patch in panel.axes.patches if patch.get_alpha() == 0.28]
    assert bar.get_width() == pytest.approx(sum(logs) / 3)
    interval = t_interval(logs)
    (line,) = lines_of(panel, linewidth=2.2)
    assert list(line.get_xdata()) == pytest.approx([interval.low, interval.high])
    ticks = {
        text.get_text(): place
        for text, place in zip(panel.axes.get_xticklabels(), panel.axes.get_xticks(), strict=True)
    }
    assert ticks["×1"] == 0
    assert all(exp(place) == pytest.approx(float(text[1:])) for text, place in ticks.items())


def test_the_title_says_verdict_and_claim():
    comparison = compare_runs(sweep(NORMS, [0.4, 0.5], claim()))
    chart = build_claim_figure(comparison, comparison.claims[0])
    assert chart.title == "Inconclusive: batch norm is better"


def test_without_any_figure_there_is_no_chart():
    comparison = compare_runs(sweep(NORMS, [0.4, 0.5], claim(), state="running"))
    assert build_claim_figure(comparison, comparison.claims[0]) is None
    assert build_claim_figures(comparison) == {}


TARGET = claim(metric="steps_to_target", target=0.6, direction="lower", margin=10)
STEPS = (20, 40, 60, 80, 100)


def evaluate(run, values, steps=STEPS):
    """Returns the run with these test accuracies at these of its 100 steps."""
    last = {"test/accuracy": values[-1]}
    summary = replace(
        run.summary,
        steps=100,
        steps_per_epoch=100,
        evaluated_steps=steps,
        evaluations={"test/accuracy": values},
        final=last,
        history={tag: (value,) for tag, value in last.items()},
    )
    return replace(run, summary=summary, config={**run.config, "train.epochs": 1})


def arriving(norm, arrivals, words=TARGET, **fields):
    """Returns runs that reach 60 % at those steps; None: they never do."""
    return [
        evaluate(
            build({NORM: norm}, seed, 0.5, words, **fields),
            tuple(0.7 if arrival and step >= arrival else 0.3 for step in STEPS),
        )
        for seed, arrival in enumerate(arrivals)
    ]


def curves_of(panel):
    return [line.get_xydata().tolist() for line in lines_of(panel, drawstyle="steps-post")]


def test_survival_curves_are_those_of_scipy():
    from scipy.stats import CensoredData, ecdf

    found = {"none": (40, 60, None, 60, None), "batch": (20, 20, 40, 40, 100)}
    panel = draw([run for norm, times in found.items() for run in arriving(norm, times)])
    for curve, times in zip(curves_of(panel), found.values(), strict=True):
        data = CensoredData(
            uncensored=[time for time in times if time], right=[100] * times.count(None)
        )
        falls = ecdf(data).sf
        at = [0, *(time for time in falls.quantiles if time in times), 100]
        assert [x for x, _ in curve] == at
        assert [y for _, y in curve] == pytest.approx([100 * falls.evaluate(time) for time in at])


def test_runs_that_never_reach_the_target_are_dots_and_diverged_ones_crosses():
    runs = [
        *arriving("none", (40, None, 60)),
        *arriving("batch", (20, 20, 20)),
        replace(arriving("none", (None,) * 4)[3], state="diverged"),
        arriving("batch", (20,) * 4)[3],
    ]
    comparison = compare_runs(runs)
    chart = build_claim_figure(comparison, comparison.claims[0])
    panel = chart.draw(True).panels[0]
    (dots,) = lines_of(panel, marker="o", markersize=13)
    (crosses,) = lines_of(panel, marker="x")
    assert dots.get_xydata().tolist() == crosses.get_xydata().tolist() == [[100, 50]]
    assert {"2 of 4 reached, 1 diverged", "4 of 4 reached"} <= texts_of(panel)
    assert "a test/accuracy of 60 %" in chart.caption
    assert find_kind(runs) == "claim_1_survival"


def test_a_control_of_several_cases_has_one_curve():
    factor = "optim.learning_rate_factor"
    words = claim(
        metric="steps_to_target",
        target="control",
        direction="lower",
        margin=10,
        treatment={NORM: "batch", factor: (1, 5)},
    )
    cells = [{NORM: "none"}, {NORM: "batch", factor: 1}, {NORM: "batch", factor: 5}]
    runs = [
        evaluate(build(cell, seed, 0.5, words), (0.1, 0.2, 0.4 + place / 10, 0.5, 0.5))
        for place, cell in enumerate(cells)
        for seed in range(3)
    ]
    panel = draw(runs)
    # Without a norm the last accuracy is first reached after 80 steps, at a rate of 5 after 60.
    assert [curve[1:] for curve in curves_of(panel)] == [
        [[80, 0], [80, 0]],
        [[60, 0], [80, 0]],
        [[60, 0], [80, 0]],
    ]


def measure(run, **by_tag):
    """Returns the run with what diagnostics measured: values at steps 10, 20, …, two per epoch."""
    diagnostics = {
        tag: Series(
            tuple(10 * (place + 1) for place in range(len(values))),
            tuple(place // 2 + 1 for place in range(len(values))),
            tuple(values),
        )
        for tag, values in by_tag.items()
    }
    return replace(run, diagnostics=diagnostics)


def diagnosed(words, norms=("none", "batch", "group")):
    """Returns runs whose median over three layers is 2, 3, 4, 5 times the seed's factor."""
    return [
        measure(
            build({NORM: norm}, seed, 0.5, words),
            **{
                "diag/gradient_norm/a": [factor * value for value in (1.0, 1.0, 1.0, 1.0)],
                "diag/gradient_norm/b": [factor * value for value in (2.0, 3.0, 4.0, 5.0)],
                "diag/gradient_norm/c": [factor * value for value in (9.0, 9.0, 9.0, 9.0)],
                "diag/gradient_norm/all": [7.0, 7.0, 7.0, 7.0],
            },
        )
        for place, norm in enumerate(norms)
        for seed, factor in enumerate((1 + place / 10, 1.1 + place / 10, 1.3 + place / 10))
    ]


def test_a_diagnostic_is_reduced_over_its_layers_at_each_step():
    words = claim(metric="diag/gradient_norm", layers="median", at={"epoch": 2})
    runs = diagnosed(words)
    assert find_kind(runs) == "claim_1_steps"
    panel = draw(runs)
    none, batch = means_of(panel)
    assert list(none.get_xdata()) == [10, 20, 30, 40]
    mean = (1 + 1.1 + 1.3) / 3
    assert list(none.get_ydata()) == pytest.approx([mean * value for value in (2, 3, 4, 5)])
    assert list(batch.get_ydata()) == pytest.approx([(mean + 0.1) * v for v in (2, 3, 4, 5)])
    band = panel.axes.collections[0].get_paths()[0].vertices
    at_first = {y for x, y in band if x == 10}
    interval = t_interval([2.0, 2.2, 2.6])
    assert (min(at_first), max(at_first)) == pytest.approx((interval.low, interval.high))


def test_the_steps_of_the_epoch_that_is_compared_are_grey():
    words = claim(metric="diag/gradient_norm", layers="median", at={"epoch": 2})
    (band,) = draw(diagnosed(words)).axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (30, 40)
    plain = claim(metric="diag/gradient_norm/all")
    assert not draw(diagnosed(plain)).axes.patches


def test_a_step_that_lacks_a_layer_is_left_out():
    runs = [
        replace(
            run,
            diagnostics={
                **run.diagnostics,
                "diag/gradient_norm/b": Series((20, 30), (1, 2), (3.0, 4.0)),
            },
        )
        for run in diagnosed(claim(metric="diag/gradient_norm", layers="max"))
    ]
    none, _ = means_of(draw(runs))
    assert list(none.get_xdata()) == [20, 30]


def with_histories(run, **histories):
    summary = replace(
        run.summary,
        epochs=len(next(iter(histories.values()))),
        history=histories,
        final={tag: values[-1] for tag, values in histories.items()},
    )
    return replace(run, summary=summary)


def test_both_metrics_of_a_difference_are_curves_over_the_epochs():
    words = claim(metric="test_precise/accuracy - test/accuracy", control=0, at={"epoch": 1})
    runs = [
        with_histories(
            build({NORM: "batch"}, seed, 0.5, words),
            **{
                "test_precise/accuracy": (0.4 + aside, 0.6 + aside),
                "test/accuracy": (0.2 + aside, 0.6),
            },
        )
        for seed, aside in enumerate(SPREAD)
    ]
    assert find_kind(runs) == "claim_1_epochs"
    panel = draw(runs)
    precise, plain = means_of(panel)
    assert list(precise.get_ydata()) == pytest.approx([41, 61])
    assert list(plain.get_ydata()) == pytest.approx([21, 60])
    assert precise.get_linestyle() == "-" != plain.get_linestyle()
    assert precise.get_color() != plain.get_color()
    named = {"test, precise statistics", "test, running statistics"}
    assert {*named, "accuracy (%)", "epoch"} <= texts_of(panel)


def draw_statistics(*endings):
    """Returns the caption and the mean lines of a claim's figure, of runs with these statistics."""
    words = claim(metric="test_batch/accuracy - test/accuracy", control=0)
    runs = [
        with_histories(
            build({NORM: "batch"}, seed, 0.5, words),
            **{
                f"test{ending}/accuracy": (level + aside, 0.5)
                for ending, level in zip(endings, (0.2, 0.3, 0.4), strict=False)
            },
        )
        for seed, aside in enumerate(SPREAD)
    ]
    comparison = compare_runs(runs)
    chart = build_claim_figure(comparison, comparison.claims[0])
    return chart.caption, means_of(draw(runs))


def test_the_third_kind_of_statistics_is_drawn_beside_the_two_that_are_compared():
    caption, lines = draw_statistics("", "_batch", "_precise")

    batch, running, precise = (line.get_ydata()[0] for line in lines)
    assert (batch, running, precise) == pytest.approx((31, 21, 41))
    assert len({line.get_color() for line in lines}) == 3
    assert "dotted, to compare: test, precise statistics." in caption


def test_it_is_left_out_of_runs_that_did_not_measure_it():
    caption, lines = draw_statistics("", "_batch")

    assert len(lines) == 2
    assert "dotted" not in caption


def test_the_gap_is_test_against_training_a_point_per_run():
    words = claim(
        metric="train_eval/accuracy - test/accuracy",
        direction="lower",
        treatment={NORM: "batch"},
    )
    found = {"none": [(0.9, 0.5), (0.92, 0.51), (0.94, 0.49)], "batch": [(0.8, 0.5)] * 3}
    runs = [
        with_histories(
            build({NORM: norm}, seed, 0.5, words),
            **{"train_eval/accuracy": (train,), "test/accuracy": (test,)},
        )
        for norm, pairs in found.items()
        for seed, (train, test) in enumerate(pairs)
    ]
    assert find_kind(runs) == "claim_1_gap"
    panel = draw(runs)
    none, batch = lines_of(panel, markersize=5.5)
    assert none.get_xydata() == pytest.approx(np.array([[90, 50], [92, 51], [94, 49]]))
    assert batch.get_xydata() == pytest.approx(np.array([[80, 50]] * 3))
    gaps = [line.get_xydata() for line in lines_of(panel, linewidth=1.6)]
    assert gaps[0] == pytest.approx(np.array([[92, 50], [92, 92]]))
    assert gaps[1] == pytest.approx(np.array([[80, 50], [80, 80]]))
    assert panel.axes.get_xlim() == panel.axes.get_ylim()
    assert {"gap 42.0 points", "gap 30.0 points"} <= texts_of(panel)


def test_a_difference_of_two_metrics_over_an_axis_is_in_points_and_may_be_negative():
    words = claim(
        metric="test_precise/accuracy - test/accuracy",
        treatment={NORM: "batch", GHOST: (2, 8)},
        control=0,
    )
    runs = [
        with_histories(
            build({NORM: "batch", GHOST: size}, seed, 0.5, words),
            **{"test_precise/accuracy": (0.4,), "test/accuracy": (0.4 + gap + seed / 100,)},
        )
        for size, gap in ((2, 0.1), (8, -0.1))
        for seed in range(3)
    ]
    panel = draw(runs)
    (line,) = means_of(panel)
    assert list(line.get_ydata()) == pytest.approx([-11, 9])
    assert {"test_precise/accuracy - test/accuracy (points)"} <= texts_of(panel)
    assert panel.axes.get_ylim()[0] < -11


def test_few_cases_of_a_reduction_are_lines_and_many_are_rows():
    batch = "data.batch_size"

    def build_cases(sizes):
        words = claim(each={batch: sizes}, reduction=LARGEST)
        cells = [
            {NORM: norm, RATE: rate, batch: size}
            for norm in ("none", "batch")
            for rate in (0.01, 0.1)
            for size in sizes
        ]
        return sweep(cells, [0.5] * len(cells), words)

    assert find_kind(build_cases((16, 512))) == "claim_1_axis"
    assert len(means_of(draw(build_cases((16, 512))))) == 4
    assert find_kind(build_cases((16, 64, 512))) == "claim_1_cases"


@pytest.mark.parametrize("is_wide", [True, False])
def test_what_is_written_stays_within_the_figure(is_wide):
    words = claim(metric="steps_to_target", target=0.6, direction="lower", margin=10)
    charts = [
        arriving("none", (40, None, 60), words) + arriving("batch", (20, 20, 20), words),
        diagnosed(claim(metric="diag/gradient_norm/[abc]", layers="median")),
        [
            measure(run, **{f"diag/internal_covariate_shift_relative/{'stage.' * 8}conv": [1.0]})
            for run in diagnosed(
                claim(metric=f"diag/internal_covariate_shift_relative/{'stage.' * 8}conv")
            )
        ],
        over_rates(claim(reduction=LARGEST)),
        sweep(NORMS, [0.4, 0.5], claim(**{"as": "ratio"})),
    ]
    for runs in charts:
        comparison = compare_runs(runs)
        sheet = build_claim_figure(comparison, comparison.claims[0]).draw_alone(is_wide=is_wide)
        renderer = FigureCanvasAgg(sheet.figure).get_renderer()
        width, height = sheet.figure.bbox.width, sheet.figure.bbox.height
        for text in sheet.figure.texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.x1 <= width
            assert 0 <= box.y0 <= box.y1 <= height


def test_runs_that_cannot_be_tested_yet_are_shown_as_they_are():
    runs = sweep(NORMS, [0.4, 0.5], claim())
    blown = [replace(run, state="diverged") if run.seed == 2 else run for run in runs]
    assert find_kind(blown) == "claim_1_runs"
    comparison = compare_runs(blown)
    chart = build_claim_figure(comparison, comparison.claims[0])
    panel = chart.draw(True).panels[0]
    none, batch = lines_of(panel, markersize=6)
    assert list(none.get_xdata()) == pytest.approx([38, 40])
    assert list(batch.get_xdata()) == pytest.approx([48, 50])
    assert {"39.0\u00a0%", "49.0\u00a0%", "n = 2, 1 diverged"} <= texts_of(panel)
    assert f"Not tested: {comparison.claims[0].obstacle.text}." in chart.caption
    low, _ = panel.axes.get_xlim()
    assert low > 30


def test_figures_are_named_by_the_claim_and_its_kind(tmp_path):
    words = (claim(), claim(statement="the other way", direction="lower", control=0.1))
    comparison = compare_runs(sweep(NORMS, [0.4, 0.5], *words))
    names = [path.name for path in write_figures([comparison], tmp_path)]
    assert names[:4] == [
        "claim_1_effect.png",
        "claim_1_effect.svg",
        "claim_2_effect.png",
        "claim_2_effect.svg",
    ]


def test_a_claim_of_a_part_of_the_runs_shows_the_whole_experiment():
    runs = over_rates(claim(reduction=LARGEST))
    part = [run for run in runs if run.settings[RATE] == 0.1]
    comparison = compare_runs(part, whole=runs)
    panel = build_claim_figure(comparison, comparison.claims[0]).draw(True).panels[0]
    assert [list(line.get_xdata()) for line in means_of(panel)] == [[0.01, 0.1, 1.0]] * 2


def test_a_look_that_decided_is_what_is_drawn():
    """With planned looks, runs that came after the verdict are not in its figure."""
    plan = {f"planned.seeds.{place}": place for place in range(8)}
    plan |= {"planned.looks.0": 4, "planned.looks.1": 8}
    runs = [
        replace(run, environment={**run.environment, **plan})
        for run in sweep(NORMS, [0.4, 0.6], claim(), spread=[seed / 1000 for seed in range(8)])
    ]
    runs = [
        replace(
            run,
            summary=replace(
                run.summary, final={"test/accuracy": run.summary.final["test/accuracy"] + noise}
            ),
        )
        for run in runs
        for noise in [0.001 * (run.seed % 3) if run.settings[NORM] == "batch" else 0.0]
    ]
    (result,) = compare_runs(runs).claims
    assert result.look.seeds == 4
    shown = [
        cell.found.values.keys()
        for side in (result.treatment, result.control)
        for cell in side.shown
    ]
    assert shown == [{0, 1, 2, 3}] * 2
