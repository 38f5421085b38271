import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.errors import UsageError
from bnexp.reports.figures.curves import draw_learning_curves
from bnexp.reports.figures.effects import draw_effects
from bnexp.reports.figures.files import write_figures
from bnexp.reports.figures.style import cell_styles

HISTORIES = {
    "norm=none": [(0.2, 0.4, 0.45), (0.22, 0.41, 0.46), (0.19, 0.4, 0.44)],
    "norm=batch": [(0.4, 0.6, 0.61), (0.42, 0.6, 0.63), (0.39, 0.5, 0.6)],
}


def runs_of(cells=HISTORIES, **fields):
    return [
        build_run(cell, seed, history[-1], history=history, **fields)
        for cell, histories in cells.items()
        for seed, history in enumerate(histories)
    ]


@pytest.fixture
def comparison():
    return compare_runs(runs_of())


def axes_of(figure):
    return figure.axes[0]


def labels_of(figure):
    return [text.get_text() for text in axes_of(figure).get_legend().get_texts()]


def mean_line_of(figure, label):
    lines = axes_of(figure).get_lines()
    return next(line for line in lines if str(line.get_label()).startswith(label))


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
            assert image.convert("L").getextrema() == (0, 255)


def test_the_svgs_are_well_formed(comparison, tmp_path):
    for path in write_figures([comparison], tmp_path)[1::2]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_the_same_comparison_gives_the_same_bytes(comparison, tmp_path):
    first = [path.read_bytes() for path in write_figures([comparison], tmp_path / "a")]
    again = [path.read_bytes() for path in write_figures([comparison], tmp_path / "b")]
    assert first == again


def test_pyplot_stays_out(comparison, tmp_path):
    write_figures([comparison], tmp_path)
    assert "matplotlib.pyplot" not in sys.modules


def test_a_mean_line_is_in_percent_from_epoch_one(comparison):
    line = mean_line_of(draw_learning_curves(comparison), "norm=batch")
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([121 / 3, 170 / 3, 184 / 3])


def test_the_legend_names_each_cell_with_its_seeds(comparison):
    assert labels_of(draw_learning_curves(comparison))[:2] == [
        "norm=none\nn = 3",
        "norm=batch\nn = 3",
    ]


def test_axes_have_names_and_units(comparison):
    axes = axes_of(draw_learning_curves(comparison))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "test/accuracy (%)")


def test_cells_differ_in_colour_line_and_marker(comparison):
    figure = draw_learning_curves(comparison)
    none, batch = (mean_line_of(figure, label) for label in HISTORIES)
    assert none.get_color() != batch.get_color()
    assert none.get_linestyle() != batch.get_linestyle()
    assert none.get_marker() != batch.get_marker()


def test_diverged_runs_are_drawn_but_not_averaged():
    diverged = build_run("norm=none", 9, state="diverged", history=(0.1, 0.05))
    figure = draw_learning_curves(compare_runs([*runs_of(), diverged]))
    assert labels_of(figure)[0] == "norm=none\nn = 3, 1 diverged"
    assert mean_line_of(figure, "norm=none").get_ydata()[0] == pytest.approx(61 / 3)
    assert "x" in {line.get_marker() for line in axes_of(figure).get_lines()}


def test_runs_of_unequal_length_are_averaged_where_all_have_values():
    cells = {"norm=none": [(0.1, 0.2, 0.3), (0.3, 0.4)]}
    line = mean_line_of(draw_learning_curves(compare_runs(runs_of(cells))), "norm=none")
    assert list(line.get_ydata()) == pytest.approx([20, 30])


def test_many_cells_are_drawn_as_means_only():
    cells = {f"norm={number}": [(0.1, 0.2), (0.2, 0.3)] for number in range(12)}
    axes = axes_of(draw_learning_curves(compare_runs(runs_of(cells), Question(target=0.9))))
    assert len(axes.get_lines()) == 12


def test_effects_are_in_points_with_a_point_a_seed(comparison):
    figure = draw_effects(comparison)
    points = [list(line.get_xdata()) for line in axes_of(figure).get_lines()]
    assert any(values == pytest.approx([16, 17, 16]) for values in points)
    assert axes_of(figure).get_xlabel() == "test/accuracy minus that of norm=none (points)"


def test_unpaired_seeds_are_drawn_hollow():
    others = [
        build_run("norm=batch", seed, history[-1], history=history)
        for seed, history in enumerate(HISTORIES["norm=batch"], start=10)
    ]
    figure = draw_effects(compare_runs([*runs_of({"norm=none": HISTORIES["norm=none"]}), *others]))
    assert "white" in {line.get_markerfacecolor() for line in axes_of(figure).get_lines()}


def test_dollar_signs_in_names_are_no_formula(tmp_path):
    records = [build_run(cell, settings={"k": cell}) for cell in ("$a$", "$b_{$")]
    assert write_figures([compare_runs(records)], tmp_path)


def test_without_finished_runs_there_is_no_figure(tmp_path):
    assert write_figures([compare_runs([build_run(state="running")])], tmp_path) == ()


def test_a_folder_that_cannot_be_written_is_named(comparison, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--plots: cannot write figures to '.*file'"):
        write_figures([comparison], tmp_path / "file")


def test_each_table_of_many_has_its_own_folder(tmp_path):
    cells = {f"norm={norm},batch_size={size}": [(0.1, 0.2)] for norm in "ab" for size in (8, 32)}
    paths = write_figures(compare_by(runs_of(cells), "batch_size", Question()), tmp_path)
    folders = {str(path.parent.relative_to(tmp_path)) for path in paths}
    assert folders == {"batch_size=8", "batch_size=32"}


def test_a_single_epoch_has_one_tick():
    axes = axes_of(draw_learning_curves(compare_runs(runs_of({"norm=none": [(0.1,), (0.2,)]}))))
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize("number", [7, 12, 30])
def test_no_two_cells_look_alike(number):
    comparison = compare_runs([build_run(f"norm={place}") for place in range(number)])
    assert len(set(cell_styles(comparison).values())) == number


def grid_of(norms, sizes):
    cells = [f"norm={norm},batch_size={size}" for norm in norms for size in sizes]
    return cell_styles(compare_runs([build_run(cell) for cell in cells]))


def test_with_many_cells_colour_and_marker_stand_for_one_setting_and_the_line_for_the_other():
    sizes = (1, 2, 4, 8, 16)
    styles = grid_of(("none", "batch"), sizes)
    for size in sizes:
        none, batch = (
            styles[f"norm=none,batch_size={size}"],
            styles[f"norm=batch,batch_size={size}"],
        )
        assert (none.colour, none.marker) == (batch.colour, batch.marker)
    assert len({style.colour for style in styles.values()}) == 5
    assert len({style.line for style in styles.values()}) == 2


def test_the_baseline_is_black_in_a_grid_too():
    baseline = grid_of(("batch", "none"), (1, 2, 4, 8, 16))["norm=none,batch_size=1"]
    assert (baseline.colour, baseline.line, baseline.marker) == ("#000000", "-", "o")


def test_legends_call_cells_by_what_tells_them_apart():
    cells = {"norm=none,batch_size=8": [(0.1, 0.2)], "norm=batch,batch_size=32": [(0.2, 0.3)]}
    assert labels_of(draw_learning_curves(compare_runs(runs_of(cells))))[:2] == [
        "none, 8\nn = 1",
        "batch, 32\nn = 1",
    ]


def test_the_margin_is_a_band_around_zero(comparison):
    axes = axes_of(draw_effects(compare_runs(runs_of(), Question(margin=0.02))))
    (band,) = axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-2, 2))
    assert not axes_of(draw_effects(comparison)).patches


def captions_of(figure):
    return " ".join(text.get_text() for text in axes_of(figure).texts)


def test_with_several_comparisons_the_effects_say_what_the_intervals_hold_for(comparison):
    three = compare_runs([*runs_of(), *build_cell("norm=group", [0.5, 0.52, 0.49])])
    note = "each interval holds for its comparison alone"
    assert note in captions_of(draw_effects(three))
    assert note not in captions_of(draw_effects(comparison))


def test_a_long_axis_name_is_wrapped():
    names = [f"{'long_' * 15}{place}" for place in range(2)]
    figure = draw_effects(compare_runs([build_run(name, settings={"k": name}) for name in names]))
    assert max(map(len, axes_of(figure).get_xlabel().splitlines())) <= 80


def test_figures_say_which_runs_were_chosen():
    comparison = compare_runs(runs_of(), Question(where={"data.batch_size": "8"}))
    assert "where batch_size = 8" in captions_of(draw_learning_curves(comparison))
    assert "where batch_size = 8" in captions_of(draw_effects(comparison))
