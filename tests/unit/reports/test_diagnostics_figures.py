"""Heat maps and lines of what diagnostics measured."""

from dataclasses import replace
from math import nan

import pytest
from records import build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.diagnostics import MOST_CELLS, show_diagnostics
from bnexp.reports.figures.files import write_figures
from bnexp.reports.figures.heat import ColourScale
from bnexp.reports.figures.inside.diagnostics import build_diagnostics
from bnexp.reports.figures.style import GRID, figure_settings
from bnexp.reports.html.charts import draw_chart
from bnexp.reports.html.page import render_html
from bnexp.runs.record import Series

NORM = "diag/gradient_norm"


@pytest.fixture(autouse=True)
def settings():
    with figure_settings():
        yield


def series(*values):
    epochs = tuple(range(1, len(values) + 1))
    return Series(tuple(10 * epoch for epoch in epochs), epochs, values)


def shown(cells, **fields):
    """Returns the comparison of {cell: a dict of series by tag for each seed}."""
    records = [
        replace(build_run(cell, seed, 0.5 + seed / 100, **fields), diagnostics=diagnostics)
        for cell, seeds in cells.items()
        for seed, diagnostics in enumerate(seeds)
    ]
    return show_diagnostics(compare_runs(records), records, lambda run: run)


def layers(**values):
    return {f"{NORM}/{layer}": series(*numbers) for layer, numbers in values.items()}


def draw(comparison, name="gradient_norm", *, is_wide=True):
    return build_diagnostics(comparison)[name].draw(is_wide)


def texts_of(sheet):
    return [text.get_text() for text in sheet.figure.texts]


def boxes_of(panel):
    """Returns {colour: corners of its boxes} of a map."""
    return {
        patch.get_facecolor(): patch.get_path().vertices
        for patch in panel.axes.get_children()
        if type(patch).__name__ == "PathPatch" and patch.get_fill()
    }


TWO = {
    "norm=none": [layers(conv=(1, 2), head=(3, 4)), layers(conv=(3, 4), head=(5, 6))],
    "norm=batch": [layers(conv=(1, 2), norm=(9, 9), head=(3, 4))] * 2,
}


def test_a_map_has_a_row_per_layer_in_the_order_of_the_network():
    texts = texts_of(draw(shown(TWO)))

    names = [text for text in texts if text in ("conv", "norm", "head")]
    assert names == ["conv", "norm", "head"]
    assert {"norm=none", "norm=batch"} <= {*texts}


def test_the_colour_is_that_of_the_mean_over_the_seeds():
    one = {"norm=none": [layers(a=(1.0,), b=(9.0,)), layers(a=(5.0,), b=(11.0,))]}
    scale = ColourScale.of([3.0, 10.0])
    boxes = boxes_of(draw(shown(one)).panels[1])

    assert (scale.low, scale.high) == (3.0, 10.0)
    assert len(boxes) == 2
    darkest = min(boxes, key=sum)
    assert {tuple(corner) for corner in boxes[darkest]} == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_a_value_that_is_not_finite_in_one_seed_is_shown_as_missing():
    from matplotlib.colors import to_rgba

    one = {"norm=none": [layers(a=(1.0, nan), b=(1.0, 2.0)), layers(a=(1.0, 3.0), b=(1.0, 2.0))]}
    comparison = shown(one)
    (panel,) = draw(comparison).panels[1:]

    missing = boxes_of(panel)[to_rgba(GRID)]
    assert {tuple(corner) for corner in missing} == {(1, 0), (2, 0), (2, 1), (1, 1)}
    assert "struck through: no finite value" in build_diagnostics(comparison)[
        "gradient_norm"
    ].caption  # fmt: skip


def test_a_layer_that_a_cell_lacks_is_dotted_and_explained():
    caption = build_diagnostics(shown(TWO))["gradient_norm"].caption

    assert "Dotted: the cell has no such layer." in caption
    assert "struck through" not in caption


def test_a_cell_without_the_quantity_is_named():
    one = {"norm=none": [{}], "norm=batch": [layers(a=(1.0,), b=(2.0,))]}
    none = [layers(a=(1.0,), b=(2.0,)), {"diag/gamma/a": series(1.0), "diag/gamma/b": series(2.0)}]
    comparison = shown({**one, "norm=none": [none[0]], "norm=batch": [none[1]]})
    chart = build_diagnostics(comparison)["gamma"]

    assert "Not measured: norm=none." in chart.caption
    assert len(chart.draw(True).panels) == 2  # the colours, and one map


def test_too_many_layers_and_epochs_are_limited_and_the_caption_says_so():
    many = {f"layer{n}": [float(n)] * 100 for n in range(60)}
    chart = build_diagnostics(shown({"norm=none": [layers(**many)]}))["gradient_norm"]
    texts = texts_of(chart.draw(True))

    assert "32 of 60 layers are shown." in chart.caption
    assert "Each column is the mean of 4 epochs." in chart.caption
    assert {"layer0", "layer59"} <= {*texts}
    assert sum(text.startswith("layer") for text in texts) == 32


def test_of_too_many_layers_those_that_all_cells_have_are_shown():
    convs = {f"conv{n}": (1.0,) for n in range(20)}
    norms = {name.replace("conv", "norm"): value for name, value in convs.items()}
    comparison = shown({"norm=none": [layers(**convs)], "norm=batch": [layers(**convs, **norms)]})

    caption = build_diagnostics(comparison)["gradient_norm"].caption
    assert "20 of 40 layers are shown, all of which every cell has." in caption


def test_of_too_many_cells_the_first_are_read_and_the_caption_says_so():
    read = []
    records = [
        replace(
            build_run(f"norm=x{n}", 0, 0.5, settings={"model.norm.name": f"x{n}"}),
            diagnostics=layers(a=(1.0,), b=(2.0,)),
        )
        for n in range(12)
    ]
    comparison = show_diagnostics(
        compare_runs(records), records, lambda run: read.append(run.cell) or run
    )
    caption = build_diagnostics(comparison)["gradient_norm"].caption

    assert len(read) == MOST_CELLS
    assert "Only the baseline and the first 7 of 11 other cells are shown." in caption


def test_runs_that_diverged_are_shown_if_none_finished():
    one = {
        "norm=none": [layers(a=(1.0, 2.0), b=(2.0, 3.0))],
        "norm=batch": [layers(a=(1.0, 2.0), b=(2.0, 3.0))],
    }
    records = [
        replace(
            build_run(cell, 0, 0.5, state="diverged" if cell == "norm=batch" else "finished"),
            diagnostics=seeds[0],
        )
        for cell, seeds in one.items()
    ]
    comparison = show_diagnostics(compare_runs(records), records, lambda run: run)

    assert "diverged" in texts_of(draw(comparison))


def test_a_damaged_run_is_left_out_and_named():
    records = [build_run("norm=none", seed, 0.5) for seed in (0, 1)]
    damaged = {"state": "failed", "summary": None, "is_damaged": True, "problems": ("altered",)}

    def read(run):
        if run.seed:
            return replace(run, **damaged)
        return replace(run, diagnostics=layers(a=(1.0,), b=(2.0,)))

    comparison = show_diagnostics(compare_runs(records), records, read)

    assert [*comparison.cells[0].diagnostics[f"{NORM}/a"]] == [0]
    assert comparison.caveats[-1].details == ("altered",)


def test_a_quantity_of_the_whole_network_is_a_line_over_the_steps():
    seeds = [{"diag/sharpness/all": series(*values)} for values in ((1, 2), (2, 3), (3, 4))]
    chart = build_diagnostics(shown({"norm=none": seeds}))["sharpness"]
    (panel,) = chart.draw(True).panels
    mean = next(line for line in panel.axes.get_lines() if line.get_linewidth() == 2.2)

    assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([10, 20], [2, 3])
    assert chart.caption.startswith("Line: mean over 3 seeds. Band: its 95 % t interval.")


def test_the_whole_network_has_a_line_beside_the_map_of_its_layers():
    both = {**layers(a=(1.0,), b=(2.0,)), f"{NORM}/all": series(9.0)}
    charts = build_diagnostics(shown({"norm=none": [both]}))

    assert [chart.heading for chart in charts.values()] == [
        "Gradient norm",
        "Gradient norm of the whole network",
    ]
    assert "all" not in texts_of(charts["gradient_norm"].draw(True))


def test_a_line_with_a_large_span_is_a_geometric_mean_on_a_logarithmic_axis():
    seeds = [{"diag/sharpness/all": series(*values)} for values in ((1, 100), (4, 400))]
    chart = build_diagnostics(shown({"norm=none": seeds}))["sharpness"]
    (panel,) = chart.draw(True).panels
    mean = next(line for line in panel.axes.get_lines() if line.get_linewidth() == 2.2)

    assert list(mean.get_ydata()) == pytest.approx([2, 200])
    assert panel.axes.get_yscale() == "log"
    assert "geometric mean over 2 seeds, on a logarithmic axis" in chart.caption


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], (1.0, 3.0, False, False, False)),
        ([0.001, 1.0], (0.001, 1.0, True, False, False)),
        ([-1.0, 3.0], (-3.0, 3.0, False, True, False)),
        ([2.0, 2.0], (1.8, 2.2, False, False, False)),
        ([0.0, 0.0], (-1.0, 1.0, False, False, False)),
        ([0.0, *[0.001, 1.0] * 20], (0.001, 1.0, True, False, True)),
        ([0.0, 0.001, 1.0], (0.0, 1.0, False, False, False)),
        ([nan, 5.0, 6.0], (5.0, 6.0, False, False, False)),
    ],
)
def test_a_scale_fits_its_values(values, expected):
    scale = ColourScale.of(values)
    found = (scale.low, scale.high, scale.is_log, scale.is_signed, scale.is_cut)

    assert found[:2] == pytest.approx(expected[:2])
    assert found[2:] == expected[2:]


def test_an_outlier_does_not_give_all_others_one_colour():
    scale = ColourScale.of([*(float(n % 10) - 5 for n in range(200)), 1e6])

    assert (scale.low, scale.high, scale.is_cut) == (-5.0, 5.0, True)


def test_figures_of_diagnostics_are_files_of_their_own(tmp_path):
    names = {path.name for path in write_figures([shown(TWO)], tmp_path)}

    assert {"diag_gradient_norm.png", "diag_gradient_norm.svg"} <= names


def test_the_page_has_the_figures_below_each_other_the_first_of_them_open():
    two = [{**seed, "diag/sharpness/all": series(1.0, 2.0)} for seed in TWO["norm=none"]]
    page = render_html([shown({"norm=none": two})])

    assert "Inside the networks" in page
    assert '<details class="diagnostic" open><summary>Gradient norm</summary>' in page
    assert '<details class="diagnostic"><summary>Sharpness</summary>' in page
    assert "Inside the networks" not in render_html([compare_runs([build_run()])])


@pytest.mark.parametrize("is_wide", [True, False])
def test_a_map_is_drawn_in_the_page_with_a_path_per_colour(is_wide):
    chart = build_diagnostics(shown(TWO))["gradient_norm"]
    drawing = str(draw_chart(chart, is_wide=is_wide))

    assert "<image" not in drawing
    assert "norm=none: at the end 3 (conv) to 5 (head)" in drawing


def test_steps_without_a_value_in_every_seed_are_left_out_of_the_mean():
    tag = "diag/sharpness/all"
    seeds = [{tag: series(1.0, nan, 3.0, 4.0)}, {tag: series(3.0, 4.0, 5.0)}]
    chart = build_diagnostics(shown({"norm=none": seeds}))["sharpness"]
    (panel,) = chart.draw(True).panels
    mean = next(line for line in panel.axes.get_lines() if line.get_linewidth() == 2.2)

    assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([10, 30], [2, 4])
    assert "Steps without a finite value in every seed are left out." in chart.caption


def test_a_lowest_and_a_highest_value_are_one_band():
    def seed(by):
        low, high = series(1.0 + by, 2.0 + by), series(3.0 + by, 4.0 + by)
        return {"diag/loss_lowest/all": low, "diag/loss_highest/all": high}

    charts = build_diagnostics(shown({"norm=none": [seed(0.0), seed(1.0)]}))
    (panel,) = charts["loss"].draw(True).panels
    (band,) = panel.axes.collections

    assert [*charts] == ["loss"]
    assert {tuple(point) for point in band.get_paths()[0].vertices} == {
        (10, 1.5), (20, 2.5), (10, 3.5), (20, 4.5),
    }  # fmt: skip
    assert charts["loss"].caption.startswith(
        "Band: from the lowest to the highest value of a step, means over 2 seeds."
    )


def test_values_that_are_finite_nowhere_together_are_drawn_by_seed():
    tag = "diag/sharpness/all"
    seeds = [{tag: series(1.0, nan)}, {tag: series(nan, 4.0)}]
    sheet = draw(shown({"norm=none": seeds}), "sharpness")

    assert "sharpness" in texts_of(sheet)


@pytest.mark.parametrize("is_wide", [True, False])
def test_long_names_of_layers_are_shortened_apart(is_wide):
    names = [
        f"backbone.stages.{stage}.blocks.{block}.convolution_in_the_middle"
        for stage in range(2)
        for block in range(12)
    ]
    tags = {f"{NORM}/{name}": series(float(n)) for n, name in enumerate(names, 1)}
    texts = texts_of(draw(shown({"norm=none": [tags]}), is_wide=is_wide))

    found = [text for text in texts if "con" in text]
    assert len({*found}) == len(names)
    assert max(map(len, found)) <= (28 if is_wide else 16)
