"""The figure of the metric over a swept number, against the numbers of the runs."""

from math import isnan

import pytest
from records import build_environment, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Question
from bnexp.analysis.stats.intervals import t_interval
from bnexp.reports.figures.sensitivity.chart import build_sensitivities
from bnexp.reports.figures.style import cell_styles, figure_settings

NORM, RATE, GROUPS = "model.norm.name", "optim.learning_rate", "model.norm.num_groups"
RATES = (0.01, 0.1, 1.0)
VALUES = {"none": (0.5, 0.4, 0.1), "batch": (0.6, 0.7, 0.5)}
SPREAD = (-0.02, 0.0, 0.05)
TEN = build_environment(0, **{"dataset.classes": 10})


@pytest.fixture(autouse=True)
def settings():
    with figure_settings():
        yield


def build(settings, seed, value, **fields):
    cell = ",".join(f"{key}={value}" for key, value in settings.items())
    config = {NORM: "none", RATE: 0.1, **settings}
    return build_run(cell, seed, value, settings=settings, config=config, **fields)


def sweep(rates=RATES, spread=SPREAD, **fields):
    return [
        build({NORM: norm, RATE: rate}, seed, value + aside, **fields)
        for norm, values in VALUES.items()
        for rate, value in zip(rates, values, strict=False)
        for seed, aside in enumerate(spread)
    ]


def draw(runs, key="learning_rate", *, is_wide=True, **question):
    comparison = compare_runs(runs, Question(**question))
    return build_sensitivities(comparison)[key].draw(is_wide).panels[0]


def lines_of(panel, **look):
    return [
        line
        for line in panel.axes.get_lines()
        if all(getattr(line, f"get_{name}")() == value for name, value in look.items())
    ]


def means_of(panel):
    return lines_of(panel, marker="None", linewidth=2.2)


def texts_of(panel):
    return [text.get_text() for text in panel.sheet.figure.texts]


def test_each_norm_is_a_line_through_its_means_in_percent():
    none, batch = means_of(draw(sweep()))
    assert list(none.get_xdata()) == list(batch.get_xdata()) == list(RATES)
    assert list(none.get_ydata()) == pytest.approx([51, 41, 11])
    assert list(batch.get_ydata()) == pytest.approx([61, 71, 51])


def test_each_seed_is_a_point_at_its_value():
    for line, values in zip(lines_of(draw(sweep()), markersize=5), VALUES.values(), strict=True):
        assert list(line.get_xdata()) == [rate for rate in RATES for _ in SPREAD]
        expected = [100 * (value + aside) for value in values for aside in SPREAD]
        assert list(line.get_ydata()) == pytest.approx(expected)


def test_bands_are_t_intervals_that_end_where_accuracies_do():
    runs = sweep(spread=(-0.1, 0.0, 0.15))
    none, _ = draw(runs).axes.collections
    ends = none.get_paths()[0].vertices
    interval = t_interval([0.4, 0.5, 0.65])
    at_first = {y for x, y in ends if x == 0.01}
    assert (min(at_first), max(at_first)) == pytest.approx(
        (100 * interval.low, 100 * interval.high)
    )
    assert t_interval([0.0, 0.1, 0.25]).low < 0
    assert ends[:, 1].min() == 0
    assert draw(runs).axes.get_ylim()[0] == 0


def test_diverged_runs_are_counted_at_the_edge_and_in_no_mean():
    blown = [build({NORM: "none", RATE: rate}, 9, 0.0, state="diverged") for rate in (0.1, 1.0)]
    gone = [run for run in sweep() if run.settings != {NORM: "none", RATE: 1.0}]
    panel = draw([*gone, *blown])
    (crosses,) = lines_of(panel, marker="x")
    assert list(crosses.get_xdata()) == [0.1, 1.0]
    assert {"1 of 4", "1 of 1", "diverged"} <= set(texts_of(panel))
    none = next(line for line in means_of(panel) if line.get_color() == crosses.get_color())
    assert none.get_ydata()[1] == pytest.approx(41)
    assert isnan(none.get_ydata()[2])


@pytest.mark.parametrize(("metric", "is_below"), [("test/accuracy", True), ("test/loss", False)])
def test_what_diverged_stands_on_the_worse_side_of_the_axes(metric, is_below):
    blown = build({NORM: "none", RATE: 1.0}, 9, 0.9, state="diverged", metric=metric)
    panel = draw([*sweep(metric=metric), blown], metric=metric)
    (cross,) = lines_of(panel, marker="x")
    assert (cross.get_ydata()[0] < panel.bottom) == is_below
    assert (cross.get_ydata()[0] > panel.top) != is_below


def chance_of(runs, **question):
    """Returns the height and the words of the level of guessing, if it is drawn."""
    panel = draw(runs, **question)
    levels = [line.get_ydata()[0] for line in lines_of(panel, linewidth=1.2)]
    return levels, [text.get_text() for text in panel.axes.texts]


def test_chance_is_drawn_if_a_value_is_near_it():
    classes = {"environment": TEN}

    assert chance_of(sweep(**classes)) == ([pytest.approx(10)], ["chance"])
    assert chance_of(sweep(RATES[:2], **classes)) == ([], [])
    assert chance_of(sweep()) == ([], [])
    assert chance_of(sweep(**classes, metric="test/loss"), metric="test/loss") == ([], [])


def test_chance_is_unknown_if_runs_differ_in_their_classes():
    other = [
        build(
            {NORM: "group", RATE: rate},
            0,
            0.1,
            environment=build_environment(0, **{"dataset.classes": 100}),
        )
        for rate in RATES
    ]
    assert chance_of(sweep(environment=TEN) + other) == ([], [])


@pytest.mark.parametrize(
    ("values", "side"), [((0.1, 0.4, 0.9), "right"), ((0.9, 0.4, 0.1), "left")]
)
def test_the_words_of_chance_stand_where_the_lines_are_far(values, side):
    runs = [
        build({NORM: norm, RATE: rate}, 0, value, environment=TEN)
        for norm in ("none", "batch")
        for rate, value in zip(RATES, values, strict=True)
    ]
    (words,) = draw(runs).axes.texts
    assert words.get_ha() == side


def test_the_caption_says_how_many_seeds_a_mean_has():
    runs = sweep()
    assert "mean over 3 seeds." in build_sensitivities(compare_runs(runs))["learning_rate"].caption
    caption = build_sensitivities(compare_runs(runs[1:]))["learning_rate"].caption
    assert "mean over 2 to 3 seeds." in caption


@pytest.mark.parametrize(
    ("rates", "scale"),
    [((0.01, 0.03, 0.1), "log"), ((0.1, 0.3, 0.5), "linear"), ((0.0, 1e-4, 1e-3), "symlog")],
)
def test_the_axis_is_logarithmic_if_the_largest_value_is_eight_times_the_smallest(rates, scale):
    axes = draw(sweep(rates)).axes
    assert axes.get_xscale() == scale
    assert list(axes.get_xticks()) == list(rates)
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{rate:g}" for rate in rates]
    assert not len(axes.get_xticks(minor=True))


def test_names_hold_the_other_keys_and_colours_are_those_of_the_norm():
    runs = [
        build({NORM: norm, RATE: rate, "data.batch_size": size}, seed, 0.5 + seed / 10)
        for norm in VALUES
        for rate in RATES
        for size in (8, 32)
        for seed in range(2)
    ]
    charts = build_sensitivities(comparison := compare_runs(runs))
    assert list(charts) == ["learning_rate", "batch_size"]
    for key, name in (
        ("learning_rate", "norm=batch, batch size 32"),
        ("batch_size", "norm=batch, learning rate 0.1"),
    ):
        panel = charts[key].draw(True).panels[0]
        assert name in texts_of(panel)
        styles = cell_styles(comparison)
        colours = {styles[cell.cell].colour for cell in comparison.cells}
        assert {line.get_color() for line in means_of(panel)} == colours
        assert len(colours) == 2


def test_cells_without_a_number_are_level_lines():
    runs = [build({NORM: "group", GROUPS: groups}, 0, groups / 10) for groups in (2, 4)]
    runs += [build({NORM: "batch"}, 0, 0.7)]
    panel = draw(runs, "num_groups")
    (level,) = [
        line for line in means_of(panel) if list(line.get_ydata()) == pytest.approx([70, 70])
    ]
    assert list(level.get_xdata()) == [0, 1]
    assert {"norm=group", "norm=batch"} <= set(texts_of(panel))
    heights = {text.get_text(): text.get_position()[1] for text in panel.sheet.figure.texts}
    assert heights["norm=batch"] == pytest.approx(panel.place(2, 70)[1], abs=6)


def test_a_cell_without_a_number_between_others_is_a_line_of_its_own():
    sizes = (5000, None, 1000, 2000)
    runs = [build({"data.train_size": size}, 0, (size or 9000) / 10000) for size in sizes]
    panel = draw(runs, "train_size")
    line, level = means_of(panel)
    assert list(line.get_xdata()) == [1000, 2000, 5000]
    assert list(level.get_ydata()) == pytest.approx([90, 90])
    assert {"train size as on the axis", "train_size=null"} <= set(texts_of(panel))


def test_an_option_that_only_one_norm_has_is_in_no_other_name():
    cells = ({NORM: "group", GROUPS: 2}, {NORM: "group", GROUPS: 4}, {NORM: "batch"})
    runs = [build({**cell, RATE: rate}, 0, 0.5) for cell in cells for rate in RATES]
    names = {"norm=group(num_groups=2)", "norm=group(num_groups=4)", "norm=batch"}
    assert names <= set(texts_of(draw(runs)))


def test_keys_that_change_together_are_one_axis_that_names_both():
    runs = [
        build({NORM: norm, RATE: rate, "data.batch_size": size}, 0, rate)
        for norm in VALUES
        for rate, size in ((0.1, 8), (0.2, 16))
    ]
    (chart,) = build_sensitivities(compare_runs(runs)).values()
    panel = chart.draw(is_wide=True).panels[0]
    assert "learning rate, and with it batch size" in texts_of(panel)
    assert {"norm=none", "norm=batch"} <= set(texts_of(panel))


def test_a_key_that_only_a_cell_without_a_number_has_otherwise_does_not_move():
    cells = [{NORM: "batch", GROUPS: groups, "data.batch_size": 128} for groups in (2, 4)]
    cells += [{NORM: "batch", "data.batch_size": 8}, {NORM: "layer", "data.batch_size": 128}]
    panel = draw([build(cell, 0, 0.5) for cell in cells], "num_groups")
    shown = texts_of(panel)
    assert "num groups" in shown
    assert not any("and with it" in text for text in shown)
    assert any("batch size 8" in text for text in shown)


def test_without_two_values_on_a_line_there_is_no_figure():
    each_its_own = [
        build({NORM: "none", RATE: 0.1}, 0, 0.4),
        build({NORM: "batch", RATE: 0.3}, 0, 0.5),
    ]
    assert build_sensitivities(compare_runs(each_its_own)) == {}
    words = [build({NORM: norm}, 0, 0.5) for norm in VALUES]
    assert build_sensitivities(compare_runs(words)) == {}
    unfinished = [build({NORM: "none", RATE: rate}, 0, 0.4, state="running") for rate in RATES]
    assert build_sensitivities(compare_runs(unfinished)) == {}


@pytest.mark.parametrize("rates", [(0, 1e-300, 1), (0, 1, 1e300), (-1e308, 1e308), (1, 10**400)])
def test_values_that_no_axis_could_hold_have_no_figure(rates):
    runs = [build({RATE: rate}, 0, 0.4) for rate in rates]
    assert build_sensitivities(compare_runs(runs)) == {}


def test_cells_of_several_experiments_at_the_same_place_have_no_figure():
    runs = [
        build({RATE: rate}, 0, 0.4, experiment=name) for rate in RATES for name in ("one", "two")
    ]
    assert build_sensitivities(compare_runs(runs)) == {}


@pytest.mark.parametrize("is_wide", [True, False])
def test_a_single_line_needs_no_name_and_single_seeds_no_band(is_wide):
    runs = [build({RATE: rate}, 0, 0.4 + rate / 10) for rate in RATES]
    comparison = compare_runs(runs)
    panel = draw(runs, is_wide=is_wide)
    (line,) = means_of(panel)
    assert list(line.get_ydata()) == pytest.approx([40.1, 41, 50])
    assert set(texts_of(panel)) == {"test/accuracy (%)", "learning rate (log scale)"}
    assert build_sensitivities(comparison)["learning_rate"].caption == "One seed per point."


def test_labels_that_would_touch_are_left_out_of_the_ticks():
    rates = (1e-4, 0.0001001, 0.1)
    runs = [build({RATE: rate}, 0, 0.4) for rate in rates]
    axes = draw(runs).axes
    assert list(axes.get_xticks()) == list(rates)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "", "0.1"]


@pytest.mark.parametrize("baseline", [f"{NORM}=none,{RATE}=0.01", f"{NORM}=group,{RATE}=0.1"])
def test_cells_that_stand_alone_on_the_axis_are_left_out_beside_lines(baseline):
    alone = [build({NORM: "group", RATE: 0.1}, seed, 0.3) for seed in range(3)]
    comparison = compare_runs([*sweep(), *alone], Question(baseline=baseline))

    chart = build_sensitivities(comparison)["learning_rate"]

    assert chart.caption.endswith("Left out: 1 cell with one learning rate alone.")
    assert "norm=group" not in chart.description
    assert len(means_of(chart.draw(True).panels[0])) == 2


def test_cells_that_stand_alone_are_shown_beside_a_single_line():
    alone = [build({NORM: "group", RATE: 0.1}, seed, 0.3) for seed in range(3)]
    line = [run for run in sweep() if run.settings[NORM] == "batch"]

    chart = build_sensitivities(compare_runs([*line, *alone]))["learning_rate"]

    assert "Left out" not in chart.caption
    assert "norm=group: 30.0 % at 0.1" in chart.description.replace("\N{NO-BREAK SPACE}", " ")
