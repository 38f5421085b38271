"""What a notebook shows of a comparison."""

from xml.etree import ElementTree

from claimed_runs import claimed_runs
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.reports.html.page import render_fragment

NASTY = "<script>alert(\"x\")</script> & 'q'"


def read(*comparisons):
    return ElementTree.fromstring(f"<div>{render_fragment(comparisons)}</div>")


def test_it_shows_verdict_table_and_figure():
    root = read(compare_runs(claimed_runs()))

    heading = root.find("p/b").text
    assert heading in ("Supported:", "Inconclusive:", "Contradicted:")
    head, *rows = root.findall("table/tr")
    assert head.find("th").text == "norm"
    assert {len(row) for row in (head, *rows)} == {len(head)}
    assert len(root.findall("img")) == 1


def test_the_best_mean_is_bold():
    cells = [*build_cell("norm=none", [0.45, 0.46, 0.44]), *build_cell("norm=batch", [0.6, 0.63])]

    assert [bold.text[:6] for bold in read(compare_runs(cells)).findall("table/tr/td/b")] == [
        "61.5 ±"
    ]


def test_a_single_run_has_curves_for_a_figure():
    assert "accuracy" in read(compare_runs([build_run(history=[0.1, 0.5])])).find("img").get("alt")


def test_each_part_of_a_split_comparison_has_its_table():
    records = [
        build_run(f"norm={norm},batch_size={size}", seed, 0.5 + seed / 100)
        for norm in ("none", "batch")
        for size in (8, 16)
        for seed in range(3)
    ]
    root = read(*compare_by(records, "data.batch_size"))

    assert [part.text for part in root.findall("h4")] == ["batch_size = 8", "batch_size = 16"]
    assert len(root.findall("table")) == 2


def test_no_text_is_markup():
    records = [build_run(NASTY, seed, settings={"k": NASTY}) for seed in range(2)]
    records += [build_run("other", seed, settings={"k": "v"}) for seed in range(2)]

    root = read(compare_runs(records))

    assert root.find(".//script") is None
    assert NASTY in [cell.text for cell in root.findall("table/tr/td")]
