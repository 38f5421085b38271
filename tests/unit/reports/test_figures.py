import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from claimed_runs import claimed_runs
from PIL import Image
from records import CLAIM, build_cell, build_run
from scipy import stats

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.errors import UsageError
from bnexp.reports.figures.curves import build_curves
from bnexp.reports.figures.effects import build_effects, build_ratios
from bnexp.reports.figures.files import write_figures
from bnexp.reports.figures.sheet import format_ticks, round_ticks, spread, text_width, wrap_label
from bnexp.reports.figures.style import (
    INK,
    MOST_WITH_BANDS,
    PAPER,
    cell_styles,
    figure_settings,
)

HISTORIES = {
    "norm=none": [(0.2, 0.4, 0.45), (0.22, 0.41, 0.46), (0.19, 0.4, 0.44)],
    "norm=batch": [(0.4, 0.6, 0.61), (0.42, 0.6, 0.63), (0.39, 0.5, 0.6)],
}
DARK_PAPER = "#16181b"


def runs_of(cells=HISTORIES, **fields):
    return [
        build_run(cell, seed, history[-1], history=history, **fields)
        for cell, histories in cells.items()
        for seed, history in enumerate(histories)
    ]


@pytest.fixture
def comparison():
    return compare_runs(runs_of())


@pytest.fixture(autouse=True)
def settings():
    with figure_settings():
        yield


def draw_curves(comparison, *, is_wide=True):
    return build_curves(comparison).draw(is_wide)


def draw_effects(comparison, *, is_wide=True):
    return build_effects(comparison).draw(is_wide)


def texts_of(sheet):
    return [text.get_text() for text in sheet.figure.texts]


def lines_of(sheet, **look):
    """Returns the lines within the axes that have this colour, marker or line style."""
    return [
        line
        for line in sheet.panels[0].axes.get_lines()
        if all(getattr(line, f"get_{name}")() == value for name, value in look.items())
    ]


def mean_lines_of(sheet):
    return lines_of(sheet, linewidth=2.2, marker="None")


def test_each_figure_is_written_as_png_and_svg(comparison, tmp_path):
    paths = write_figures([comparison], tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "curves_test_accuracy.png",
        "curves_test_accuracy.svg",
        "effects_test_accuracy.png",
        "effects_test_accuracy.svg",
    ]


def test_the_pngs_are_pictures(comparison, tmp_path):
    for path in write_figures([comparison], tmp_path)[::2]:
        with Image.open(path) as image:
            darkest, lightest = image.convert("L").getextrema()
            assert darkest < 40
            assert lightest == 255


def test_the_svgs_are_well_formed_and_hold_text(comparison, tmp_path):
    for path in write_figures([comparison], tmp_path)[1::2]:
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg")
        assert "norm=batch" in {element.text for element in root.iter()}


def test_the_same_comparison_gives_the_same_bytes(comparison, tmp_path):
    first = [path.read_bytes() for path in write_figures([comparison], tmp_path / "a")]
    again = [path.read_bytes() for path in write_figures([comparison], tmp_path / "b")]
    assert first == again


def test_pyplot_stays_out(comparison, tmp_path):
    write_figures([comparison], tmp_path)
    assert "matplotlib.pyplot" not in sys.modules


def test_a_mean_line_is_in_percent_from_epoch_one(comparison):
    _, batch = mean_lines_of(draw_curves(comparison))
    assert list(batch.get_xdata()) == [1, 2, 3]
    assert list(batch.get_ydata()) == pytest.approx([121 / 3, 170 / 3, 184 / 3])


@pytest.mark.parametrize("is_wide", [True, False])
def test_each_cell_is_named_in_both_drawings(comparison, is_wide):
    for draw in (draw_curves, draw_effects):
        assert "norm=batch" in texts_of(draw(comparison, is_wide=is_wide))


def test_a_name_beside_the_axes_stands_at_the_end_of_its_line(comparison):
    sheet = draw_curves(comparison)
    for line, name in zip(mean_lines_of(sheet), HISTORIES, strict=True):
        (text,) = [text for text in sheet.figure.texts if text.get_text() == name]
        _, end = sheet.panels[0].place(3, line.get_ydata()[-1])
        assert text.get_position()[1] == pytest.approx(end, abs=6)


def test_axes_have_names_and_units(comparison):
    assert {"epoch", "test/accuracy (%)"} <= set(texts_of(draw_curves(comparison)))
    axis = "test/accuracy minus the baseline's (points)"
    assert axis in texts_of(draw_effects(comparison))


def test_the_axis_of_accuracies_stays_between_0_and_100_percent():
    cells = {"norm=none": [(0.0, 1.0)] * 2, "norm=batch": [(0.1, 1.0)] * 2}
    assert draw_curves(compare_runs(runs_of(cells))).panels[0].axes.get_ylim() == (0, 100)


def test_cells_differ_in_colour_and_in_marker(comparison):
    sheet = draw_curves(comparison)
    none, batch = mean_lines_of(sheet)
    assert none.get_color() != batch.get_color()
    markers = {line.get_marker() for line in lines_of(sheet, linestyle="None")}
    assert markers == {"o", "s"}


def trained_runs(metric="test/accuracy"):
    """Returns runs of two cells with curves of loss and accuracy, on test and in training."""
    tags = {"test/accuracy": 0.5, "train/accuracy": 0.7, "test/loss": 2.0, "train/loss": 1.0}
    return [
        with_history(
            build_run(cell, seed, start, metric=metric),
            {tag: (start * scale, start * scale / 2) for tag, scale in tags.items()},
        )
        for cell, starts in (("norm=none", (0.4, 0.6)), ("norm=batch", (0.8, 1.0)))
        for seed, start in enumerate(starts)
    ]


def with_history(run, history):
    return replace(run, summary=replace(run.summary, epochs=2, history=history))


@pytest.mark.parametrize("is_wide", [True, False])
def test_accuracy_and_loss_are_solid_on_test_and_dashed_in_training(is_wide):
    sheet = draw_curves(compare_runs(trained_runs()), is_wide=is_wide)
    for panel, solid, dashed in zip(
        sheet.panels, ([25, 12.5], [1, 0.5]), ([35, 17.5], [0.5, 0.25]), strict=True
    ):
        lines = [line for line in panel.axes.get_lines() if line.get_color() == INK]
        by_line = {line.get_linestyle(): line for line in lines if line.get_linewidth() > 1.5}
        assert list(by_line["-"].get_ydata()) == pytest.approx(solid)
        assert list(by_line["--"].get_ydata()) == pytest.approx(dashed)
    assert {"accuracy (%)", "loss", "test", "train"} <= set(texts_of(sheet))


def test_the_panel_of_the_metric_is_the_one_beside_the_names():
    sheet = draw_curves(compare_runs(trained_runs("test/loss"), Question("test/loss")))
    loss, accuracy = sheet.panels
    assert loss.left > accuracy.right
    assert accuracy.axes.get_ylim()[1] > 40


def test_a_loss_that_explodes_for_a_while_flattens_no_other_line():
    runs = [
        with_history(
            run, {"test/accuracy": (0.1, 0.2), "test/loss": (2.0 if run.seed else 1e5, 2.0)}
        )
        for run in build_cell("norm=none", [0.2, 0.2])
    ]
    calm = build_cell("norm=batch", [0.2, 0.3])
    calm = [
        with_history(run, {"test/accuracy": (0.1, 0.2), "test/loss": (2.0, 1.0)}) for run in calm
    ]
    chart = build_curves(compare_runs([*runs, *calm, *build_cell("norm=layer", [0.1])]))
    _, loss = chart.draw(True).panels
    assert loss.axes.get_ylim()[1] < 10
    assert "cut off" in chart.caption


def test_diverged_runs_are_drawn_but_not_averaged():
    diverged = build_run("norm=none", 9, state="diverged", history=(0.1, 0.05))
    sheet = draw_curves(compare_runs([*runs_of(), diverged]))
    assert "1 diverged" in texts_of(sheet)
    assert mean_lines_of(sheet)[0].get_ydata()[0] == pytest.approx(61 / 3)
    (cross,) = lines_of(sheet, marker="x")
    assert list(cross.get_xdata()) == [2]


def test_a_diverged_run_flattens_no_other_line():
    losses = {"norm=none": [(2.0, 1.5), (2.2, 1.4)], "norm=batch": [(1.5, 1.0), (1.4, 0.9)]}
    blown = build_run("norm=none", 5, state="diverged", metric="test/loss", history=(2.0, 1e30))
    runs = [*runs_of(losses, metric="test/loss"), blown]
    sheet = draw_curves(compare_runs(runs, Question("test/loss")))
    _, high = sheet.panels[0].axes.get_ylim()
    assert high < 3
    assert list(lines_of(sheet, marker="x")[0].get_ydata()) == [high]


def test_runs_of_unequal_length_are_averaged_where_all_have_values():
    cells = {"norm=none": [(0.1, 0.2, 0.3), (0.3, 0.4)]}
    (line,) = mean_lines_of(draw_curves(compare_runs(runs_of(cells))))
    assert list(line.get_ydata()) == pytest.approx([20, 30])


@pytest.mark.parametrize("number", [MOST_WITH_BANDS, MOST_WITH_BANDS + 1])
def test_bands_and_seeds_are_drawn_up_to_a_number_of_cells(number):
    cells = {f"norm={index}": [(0.1, 0.2), (0.2, 0.3), (0.1, 0.4)] for index in range(number)}
    sheet = draw_curves(compare_runs(runs_of(cells)))
    drawn = number if number <= MOST_WITH_BANDS else 0
    assert len(sheet.panels[0].axes.collections) == drawn
    assert len(lines_of(sheet, linewidth=1)) == drawn
    assert len(mean_lines_of(sheet)) == number


def test_the_target_is_drawn_where_the_axis_shows_it():
    (line,) = lines_of(draw_curves(compare_runs(runs_of(), Question(target=0.5))), linewidth=1.2)
    assert list(line.get_ydata()) == [50, 50]
    assert not lines_of(draw_curves(compare_runs(runs_of(), Question(target=0.99))), linewidth=1.2)


def test_effects_are_in_points_with_a_point_per_seed(comparison):
    points = [list(line.get_xdata()) for line in lines_of(draw_effects(comparison), marker="o")]
    assert any(values == pytest.approx([16, 17, 16]) for values in points)


def test_intervals_end_where_the_comparison_says(comparison):
    difference = comparison.cells[1].difference
    (line,) = mean_lines_of(draw_effects(comparison))
    assert list(line.get_xdata()) == pytest.approx(
        [100 * difference.ci_low, 100 * difference.ci_high]
    )


def test_unpaired_seeds_are_drawn_hollow():
    others = [
        build_run("norm=batch", seed, history[-1], history=history)
        for seed, history in enumerate(HISTORIES["norm=batch"], start=10)
    ]
    runs = [*runs_of({"norm=none": HISTORIES["norm=none"]}), *others]
    chart = build_effects(compare_runs(runs))
    assert lines_of(chart.draw(True), markerfacecolor=PAPER, marker="o")
    assert "hollow: not paired" in chart.caption


@pytest.mark.parametrize(("measure", "is_shaded"), [("difference", True), ("ratio", False)])
def test_the_margin_of_a_ratio_is_none_of_differences(measure, is_shaded):
    claim = {**CLAIM, "as": measure, "margin": 0.02}

    chart = build_effects(compare_runs(claimed_runs(claim)))

    assert ("Shaded: within the margin" in chart.caption) is is_shaded


def test_ratios_are_geometric_means_with_the_interval_of_their_logarithms():
    base, other = [1000.0, 1100.0, 1300.0], [500.0, 560.0, 640.0]
    runs = [
        build_run(cell, seed, speed=speed)
        for cell, speeds in (("norm=none", base), ("norm=batch", other))
        for seed, speed in enumerate(speeds)
    ]
    logs = np.log(np.divide(other, base))
    low, high = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))

    chart = build_ratios(compare_runs(runs, Question("images_per_second")))

    ratio = np.exp(logs.mean())
    assert chart.description == f"norm=batch: × {ratio:.3g} [{low:.3g}, {high:.3g}], n = 3 pairs"


def test_there_are_no_ratios_to_zero():
    runs = [build_run(cell, value=0.0) for cell in ("norm=none", "norm=batch")]
    assert build_ratios(compare_runs(runs)) is None


def test_dollar_signs_in_names_are_no_formula(tmp_path):
    records = [build_run(cell, settings={"k": cell}) for cell in ("$a$", "$b_{$")]
    assert write_figures([compare_runs(records)], tmp_path)


def test_names_of_any_characters_can_be_drawn(tmp_path):
    records = [build_run(cell, settings={"k": cell}) for cell in ("\x00<b>", "\udcff", "規格化")]
    for path in write_figures([compare_runs(records)], tmp_path)[1::2]:
        assert r"\x00<b>" in "".join(ElementTree.parse(path).getroot().itertext())


def test_without_finished_runs_there_is_no_figure(tmp_path):
    assert write_figures([compare_runs([build_run(state="running")])], tmp_path) == ()


def test_files_are_named_in_plain_letters_whatever_the_keys_are(tmp_path):
    key = "../a/\x1b[2Jb"
    runs = [build_run(f"c{n}", settings={key: n}, config={key: n}) for n in (1, 2)]
    paths = write_figures([compare_runs(runs)], tmp_path)
    assert {path.parent for path in paths} == {tmp_path}
    assert "sensitivity__a_x1b_2Jb_test_accuracy.png" in {path.name for path in paths}


def test_a_folder_that_cannot_be_written_is_named(comparison, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--plots: cannot write figures to '.*file'"):
        write_figures([comparison], tmp_path / "file")


def test_each_table_of_many_has_its_own_folder(tmp_path):
    cells = {f"norm={norm},batch_size={size}": [(0.1, 0.2)] for norm in "ab" for size in (8, 32)}
    paths = write_figures(compare_by(runs_of(cells), "batch_size", Question()), tmp_path)
    folders = {str(path.parent.relative_to(tmp_path)) for path in paths}
    assert folders == {"batch_size=8", "batch_size=32"}


def test_a_single_epoch_has_one_tick_and_cells_side_by_side():
    cells = {"norm=none": [(0.1,), (0.2,), (0.2,)], "norm=batch": [(0.1,), (0.2,), (0.3,)]}
    sheet = draw_curves(compare_runs(runs_of(cells)))
    assert list(sheet.panels[0].axes.get_xticks()) == [1]
    places = {x for line in sheet.panels[0].axes.get_lines() for x in line.get_xdata()}
    assert places >= {0.8, 1.2}


@pytest.mark.parametrize("number", [7, 12, 30])
def test_no_two_cells_look_alike(number):
    comparison = compare_runs([build_run(f"norm={place}") for place in range(number)])
    assert len(set(cell_styles(comparison).values())) == number


def luminance(colour):
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Returns WCAG 2's ratio, of which graphics need 3."""
    darker, lighter = sorted((luminance(one) + 0.05, luminance(other) + 0.05))
    return lighter / darker


def test_every_colour_can_be_seen_on_light_and_on_dark_paper():
    comparison = compare_runs([build_run(f"norm={place}") for place in range(7)])
    colours = {style.colour for style in cell_styles(comparison).values()} - {INK}
    assert len(colours) == 6
    assert min(contrast(colour, paper) for colour in colours for paper in (PAPER, DARK_PAPER)) > 3


def grid_of(norms, sizes):
    cells = [f"norm={norm},batch_size={size}" for norm in norms for size in sizes]
    return cell_styles(compare_runs([build_run(cell) for cell in cells]))


def test_in_a_grid_the_colour_stands_for_the_norm_and_the_marker_for_the_rest():
    sizes = (1, 2, 4, 8, 16)
    styles = grid_of(("none", "batch"), sizes)
    for size in sizes:
        none, batch = (
            styles[f"norm=none,batch_size={size}"],
            styles[f"norm=batch,batch_size={size}"],
        )
        assert none.marker == batch.marker
        assert none.fill != batch.fill
    assert len({style.colour for style in styles.values()}) == 2
    assert len({style.marker for style in styles.values()}) == 5


def test_the_baseline_has_the_colour_of_text_in_a_grid_too():
    baseline = grid_of(("batch", "none"), (1, 2, 4, 8, 16))["norm=none,batch_size=1"]
    assert (baseline.colour, baseline.marker, baseline.fill) == (INK, "o", "full")


def test_cells_are_called_by_what_tells_them_apart():
    cells = {"norm=none,batch_size=8": [(0.1, 0.2)], "norm=batch,batch_size=32": [(0.2, 0.3)]}
    assert {"norm=none, batch_size=8", "norm=batch, batch_size=32"} <= set(
        texts_of(draw_curves(compare_runs(runs_of(cells))))
    )


def test_the_margin_is_a_band_around_zero(comparison):
    (band,) = draw_effects(compare_runs(runs_of(), Question(margin=0.02))).panels[0].axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-2, 2))
    assert not draw_effects(comparison).panels[0].axes.patches


def test_with_several_comparisons_the_effects_say_what_the_intervals_hold_for(comparison):
    three = compare_runs([*runs_of(), *build_cell("norm=group", [0.5, 0.52, 0.49])])
    note = "Each interval holds for its comparison alone"
    assert note in build_effects(three).caption
    assert note not in build_effects(comparison).caption


@pytest.mark.parametrize("is_wide", [True, False])
def test_long_names_stay_within_the_figure(is_wide):
    names = [f"{'long_' * 15}{place}" for place in range(2)]
    comparison = compare_runs([build_run(name, settings={"k": name}) for name in names])
    for draw in (draw_curves, draw_effects):
        sheet = draw(comparison, is_wide=is_wide)
        for text in sheet.figure.texts:
            x, width = text.get_position()[0], text_width([text.get_text()])
            start = x - width * {"left": 0, "center": 0.5, "right": 1}[text.get_ha()]
            assert start >= -1
            assert start + width <= sheet.width + 1


def test_figures_that_stand_alone_say_which_runs_were_chosen():
    comparison = compare_runs(runs_of(), Question(where={"data.batch_size": ("8",)}))
    for chart in (build_curves(comparison), build_effects(comparison)):
        sheet = chart.draw_alone(is_wide=True)
        assert {chart.title, "where batch_size = 8"} <= set(texts_of(sheet))


def test_a_heading_moves_nothing_against_the_axes(comparison):
    def offset(sheet):
        text = sheet.figure.texts[0]
        _, y = text.get_transform().transform(text.get_position())
        return y - sheet.panels[0].place(3, 50)[1]

    chart = build_curves(comparison)
    assert offset(chart.draw(True)) == pytest.approx(offset(chart.draw_alone(is_wide=True)))


def test_ticks_are_round_and_within_the_range():
    assert round_ticks(13.1, 21.9, 6) == (14, 16, 18, 20)
    assert round_ticks(0.0012, 0.0047, 5) == pytest.approx((0.002, 0.003, 0.004))
    assert round_ticks(1, 10, 10, is_whole=True) == tuple(range(1, 11))
    assert round_ticks(1, 200, 6, is_whole=True) == (50, 100, 150, 200)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((-0.5, 0.0, 0.5), ["-0.5", "0.0", "0.5"]),
        ((0.0, 20_000.0), ["0", "20,000"]),
        ((1.0, 5.0, 10.0), ["1", "5", "10"]),
        ((0.1 + 0.2,), ["0.3"]),
        ((0.0, 1e-9), ["0", "1e-09"]),
    ],
)
def test_ticks_have_the_decimals_of_their_step(values, texts):
    assert format_ticks(values) == texts


def test_labels_are_moved_apart_in_their_order_around_where_they_belong():
    places = spread([50, 52, 51, 10], [10, 10, 10, 10], 0, 100)
    assert places == [41, 61, 51, 10]


def test_labels_at_an_edge_stay_within_it():
    assert spread([100, 100], [10, 10], 0, 100) == [85, 95]
    assert spread([0, 1, 30], [10, 10, 10], 0, 100) == [5, 15, 30]


def test_labels_that_fit_exactly_fill_the_room():
    places = spread([90, 5, 5, 5], [10, 20, 10, 10], 0, 50)
    assert all(after - before >= 9.99 for before, after in pairwise(sorted(places)))
    assert max(places) == 45


@pytest.mark.parametrize("label", ["a, b", "batch(warmup_steps=50, r_max_steps=150)", "x" * 90, ""])
def test_a_wrapped_label_loses_nothing_but_blanks(label):
    lines = wrap_label(label, 20)
    assert re.sub(r"\s", "", "".join(lines)) == label.replace(" ", "")
    assert all(len(line) <= 20 for line in lines)


def test_a_diagnostic_that_is_not_measured_in_each_epoch_has_no_curve_over_the_epochs():
    tag, scores = "diag/sharpness/all", {"norm=none": [(0.2, 0.4, 0.45)] * 3}

    def panels(history):
        records = [
            replace(
                run,
                summary=replace(
                    run.summary,
                    final={**run.summary.final, tag: 3.0},
                    history={**run.summary.history, tag: history},
                ),
            )
            for run in runs_of(scores)
        ]
        return len(draw_curves(compare_runs(records, Question(tag))).panels)

    assert panels((1.0, 2.0, 3.0)) == panels((float("nan"), 2.0, 3.0)) + 1


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        (
            "norm=batch,placement=before_activation",
            ("norm=batch,", "placement=before_", "activation"),
        ),
        ("placement=before_activation", ("placement=before_", "activation")),
        ("x" * 25, ("x" * 18, "x" * 7)),
        ("norm=none, lr=1", ("norm=none, lr=1",)),
    ],
)
def test_a_label_too_long_for_a_line_is_broken_where_its_words_end(label, lines):
    assert wrap_label(label, 18) == lines
