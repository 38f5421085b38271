"""What one run of each cell predicted, in figures, in the page and in TensorBoard."""

import base64
import io
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from made_up_runs import make_predictions
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from records import build_run
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.predictions import show_predictions
from bnexp.errors import BnexpError
from bnexp.reports.figures.answers.classes import list_answered
from bnexp.reports.figures.answers.confusion import build_confusion
from bnexp.reports.figures.answers.mistakes import build_mistakes
from bnexp.reports.figures.files import write_figures
from bnexp.reports.figures.style import figure_settings
from bnexp.reports.html.charts import draw_chart
from bnexp.reports.html.page import render_html
from bnexp.reports.html.tables import build_class_table
from bnexp.reports.tensorboard import report
from bnexp.runs.measured.predictions import Predictions

NAMES = ("cat", "dog", "frog")
# Of ten cats three were taken for dogs, of ten dogs one for a cat, of five frogs none.
PAIRS = [(0, 0)] * 7 + [(0, 1)] * 3 + [(1, 0)] + [(1, 1)] * 9 + [(2, 2)] * 5


def predict(pairs=PAIRS, names=NAMES, mistakes=2):
    labels, taken = np.array(pairs).T
    wrong = np.flatnonzero(labels != taken)[:mistakes]
    return Predictions(
        names,
        labels,
        taken[:, None],
        np.full((len(pairs), 1), 0.75, np.float16),
        wrong,
        np.arange(len(wrong) * 4 * 4 * 3).reshape(-1, 4, 4, 3).astype(np.uint8),
    )


def shown(kept, *, seeds=(3, 4), state="finished"):
    """Returns the comparison of {cell: what its runs kept, or the error in reading it}."""
    records = [build_run(cell, seed, 0.5, state=state) for cell in kept for seed in seeds]

    def read(run):
        assert run.seed == min(seeds)
        if isinstance(found := kept[run.cell], BnexpError):
            raise found
        return found

    return show_predictions(compare_runs(records), records, read)


def texts_of(sheet):
    return [text.get_text() for text in sheet.figure.texts]


@pytest.fixture(autouse=True)
def settings():
    with figure_settings():
        yield


def test_the_finished_run_with_the_lowest_seed_is_read_and_no_other():
    records = [
        build_run("norm=none", 0, 0.1, state="diverged", history=(0.1,)),
        build_run("norm=none", 2, 0.9),
        build_run("norm=none", 1, 0.2),
    ]
    read = []
    comparison = show_predictions(compare_runs(records), records, lambda run: read.append(run.seed))

    assert read == [1]
    assert comparison.cells[0].first_run.seed == 1


def test_the_table_has_a_row_per_class_and_one_of_their_mean():
    comparison = shown({"norm=none": predict(), "norm=batch": predict([(0, 0), (1, 1), (2, 1)])})
    columns = build_class_table(list_answered(comparison))

    assert [column.header for column in columns] == [
        ("class",), ("pictures",), ("norm=none", "seed 3"), ("norm=batch", "seed 3"),
    ]  # fmt: skip
    assert [[column.text(row, "") for column in columns] for row in range(4)] == [
        ["cat", "10", "70.0 %", "100.0 %"],
        ["dog", "10", "90.0 %", "100.0 %"],
        ["frog", "5", "100.0 %", "0.0 %"],
        ["mean of all classes", "25", "86.7 %", "66.7 %"],
    ]


def test_the_matrix_has_the_percent_of_each_row():
    chart = build_confusion(shown({"norm=none": predict()}))

    texts = texts_of(chart.draw(True))
    percent = ["70.0 %", "30.0 %", "10.0 %", "90.0 %", "100.0 %"]
    assert [text for text in texts if re.fullmatch(r"[\d.]+ %", text)] == percent
    assert [text for text in texts if text.isdecimal()] == ["7", "3", "1", "9", "5"]
    assert {"true class", "taken for"} < {*texts}
    assert "seed 3: balanced accuracy 86.7 %" in texts
    assert "up to 30.0 %" in chart.caption
    assert "choosing on the test images" in chart.selection
    assert "most often mistaken: cat as dog (3), dog as cat (1)" in chart.description


def test_percents_of_many_classes_are_rounded_half_up():
    # Of the first class's eight pictures one is mistaken, of each other class's none.
    pairs = [(0, 0)] * 7 + [(0, 1)] + [(n, n) for n in range(1, 5)]
    chart = build_confusion(shown({"norm=none": predict(pairs, tuple("abcde"))}))

    texts = texts_of(chart.draw(True))
    assert [text for text in texts if text.isdecimal()] == ["88", "13", *["100"] * 4]


@pytest.mark.parametrize("is_wide", [True, False])
def test_titles_of_small_matrices_do_not_overlap(is_wide):
    pairs, names = [(0, 0)] * 3 + [(1, 0)], ("cat", "ship")
    cells = {f"norm={letter}": predict(pairs, names) for letter in "abcde"}
    sheet = build_confusion(shown(cells)).draw(is_wide)

    renderer = FigureCanvasAgg(sheet.figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in sheet.figure.texts]
    assert all(box.x0 >= 0 and box.x1 <= sheet.width for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_of_many_classes_those_that_are_recognised_least_are_shown():
    names = tuple(f"class {number:02}" for number in range(40))
    pairs = [(n, n) for n in range(40)] + [(n, 0) for n in range(16, 40)]
    chart = build_confusion(shown({"norm=none": predict(pairs, names)}))

    texts = texts_of(chart.draw(True))
    assert "class 16" in texts
    assert "class 39" in texts
    assert "class 15" not in texts
    assert "Only 24 classes of 40 are shown" in chart.caption


@pytest.mark.parametrize("is_wide", [True, False])
def test_a_matrix_fits_whatever_the_names(is_wide):
    names = tuple(f"{letter * 60} \x1b {letter}" for letter in "abcdefgh")
    pairs = [(n, (n + m) % 8) for n in range(8) for m in range(2)]
    cells = {f"norm={letter}": predict(pairs, names) for letter in "abcdefghij"}
    sheet = build_confusion(shown(cells)).draw(is_wide)

    assert all(panel.left > 0 and panel.right <= sheet.width for panel in sheet.panels)
    assert min(panel.bottom for panel in sheet.panels) > 0
    assert len(sheet.panels) == 8
    assert "the first 7 of 9 other cells" in render_html([shown(cells)])


def test_turned_names_stay_turned_in_the_page():
    svg = draw_chart(build_confusion(shown({"norm=none": predict()})), is_wide=True)

    turned = re.findall(r'<text[^>]*transform="rotate\(-90 [^>]*>([\w ]+)<', svg)
    assert turned == ["cat", "dog", "frog", "true class"]


def test_mistakes_are_drawn_with_both_classes_and_the_probability():
    sheet = build_mistakes(shown({"norm=none": predict()})).draw(True)

    assert texts_of(sheet) == ["norm=none, seed 3"] + ["cat", "as dog", "75.0 %"] * 2
    assert len(sheet.panels[0].axes.images) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_holds_the_pictures_themselves(channels):
    predictions = make_predictions(mistakes=4)
    pictures = predictions.pictures[:, :, :, :channels]
    page = render_html([shown({"norm=none": replace(predictions, pictures=pictures)})])

    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    assert len(sources) == 4
    for source, picture in zip(sources, pictures, strict=True):
        found = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
        assert (found == (picture[:, :, 0] if channels == 1 else picture)).all()
    assert "img-src data:" in page
    worst = predictions.list_mistakes()[0]
    assert f"<b>{worst.true}</b><br>as {worst.taken}<br>" in page


def test_a_page_of_many_cells_shows_fewer_pictures_of_each():
    kept = make_predictions(number=400, mistakes=60)
    one, many = ({f"norm={letter}": kept for letter in names} for names in ("a", "abcdefgh"))

    assert render_html([shown(one)]).count("<img") == 24
    page = render_html([shown(many)])
    assert page.count("<img") == 8 * 12
    assert page.count(" open><summary>Most confident mistakes") == 1


def test_the_pictures_of_a_few_cells_are_all_open():
    page = render_html([shown({f"norm={letter}": predict() for letter in "abcd"})])

    assert page.count(" open><summary>Most confident mistakes") == 4


def test_names_of_classes_are_escaped():
    names = ("<script>x</script>", "dog", "frog")
    page = render_html([shown({"norm=none": predict(names=names)})])

    assert "<script" not in page


def test_without_predictions_the_page_says_why():
    error = BnexpError("runs/a/predictions.npz is missing")
    other = predict([(0, 1)], ("one", "two"))
    page = render_html(
        [shown({"norm=none": predict(), "norm=a": None, "norm=b": error, "norm=c": other})]
    ).replace("<wbr>", "")

    for reason in ("an earlier version", "predictions.npz is missing", "it has other classes"):
        assert reason in page
    nothing = shown({"norm=none": None})
    assert build_confusion(nothing) is build_mistakes(nothing) is None
    assert "an earlier version" in render_html([nothing])


def test_a_run_that_kept_no_pictures_has_no_gallery():
    comparison = shown({"norm=none": predict(mistakes=0)})

    assert build_mistakes(comparison) is None
    assert build_confusion(comparison) is not None
    assert "<img" not in render_html([comparison])


def test_nothing_is_said_of_classes_if_no_run_finished():
    comparison = shown({"norm=none": predict()}, state="running")

    assert "Classes and mistakes" not in render_html([comparison])


def test_the_figures_are_written_and_have_the_same_bytes_again(tmp_path):
    comparison = shown({"norm=none": predict()})
    first, again = (
        {path.name: path.read_bytes() for path in write_figures([comparison], tmp_path / folder)}
        for folder in "ab"
    )

    assert {"confusions.png", "confusions.svg", "mistakes.png", "mistakes.svg"} <= first.keys()
    assert first == again


def test_tensorboard_shows_the_same_figures(tmp_path, monkeypatch):
    records = [build_run("norm=none", seed) for seed in range(2)]
    monkeypatch.setattr(report, "read_predictions", lambda run: predict())
    report.write_to_tensorboard(compare_runs(records), records, tmp_path / "_compare", print)

    (file,) = (tmp_path / "_compare" / "comparison").iterdir()
    tags = {value.tag for event in LegacyEventFileLoader(str(file)).Load()
            for value in event.summary.value}  # fmt: skip
    assert {"comparison/confusions", "comparison/mistakes"} <= tags
