import csv

import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.csv import render_csv


@pytest.fixture
def rows():
    records = [
        *build_cell("norm=none", [0.45, 0.46, 0.44]),
        *build_cell("norm=batch,x=1", [0.61, 0.63, 0.6], settings={"model.norm.name": "ba,tch"}),
    ]
    return list(csv.DictReader(render_csv(compare_runs(records)).splitlines()))


def test_there_is_a_row_a_cell(rows):
    assert [row["cell"] for row in rows] == ["norm=none", "norm=batch,x=1"]


def test_settings_are_columns_and_survive_commas(rows):
    assert rows[1]["model.norm.name"] == "ba,tch"


def test_figures_have_full_precision(rows):
    assert float(rows[1]["difference_mean"]) == pytest.approx(0.49 / 3, rel=1e-15)


def test_the_baseline_is_marked_and_its_difference_empty(rows):
    assert (rows[0]["is_baseline"], rows[0]["difference_mean"]) == ("True", "")


def test_states_are_counted_in_columns(rows):
    assert (rows[0]["finished"], rows[0]["diverged"]) == ("3", "0")


def test_what_was_added_stands_behind_what_was_there(rows):
    columns = list(rows[0])
    assert columns[:6] == ["experiment", "metric", "cell", "is_baseline", "model.norm.name", "n"]
    assert columns.index("failed") + 1 == columns.index("margin")


def test_the_margin_and_its_test_are_columns():
    records = [*build_cell("norm=none", [0.45, 0.46, 0.44]), *build_cell("norm=batch", [0.6, 0.5])]
    comparison = compare_runs(records, Question(margin=0.01))
    (_, batch) = csv.DictReader(render_csv(comparison).splitlines())
    difference = comparison.cells[1].difference
    assert float(batch["margin"]) == 0.01
    assert float(batch["difference_p_equivalence"]) == difference.p_equivalence
    assert float(batch["difference_smallest_detectable"]) == difference.smallest_detectable
    assert int(batch["difference_seeds_needed"]) == difference.seeds_needed


def test_divergence_and_costs_are_columns():
    records = [*build_cell("norm=none", [0.45, 0.46]), build_run("norm=batch", state="diverged")]
    none, batch = csv.DictReader(render_csv(compare_runs(records)).splitlines())
    assert float(batch["divergence_p"]) == pytest.approx(1 / 3)
    assert (none["elapsed_seconds"], none["parameters"]) == ("10.0", "1000")
    assert none["peak_memory_bytes"] == "1000000.0"


def test_the_tables_of_each_value_are_one_table():
    records = [
        *build_cell("norm=none,batch_size=8", [0.45, 0.46]),
        *build_cell("norm=none,batch_size=32", [0.61, 0.63]),
        *build_cell("norm=batch,batch_size=32", [0.61, 0.63]),
    ]
    key = "data.batch_size"
    rows = list(csv.DictReader(render_csv(*compare_by(records, key), by=key).splitlines()))
    assert [(row["by"], row["by_value"], row["model.norm.name"]) for row in rows] == [
        (key, "8", "none"),
        (key, "32", "none"),
        (key, "32", "batch"),
    ]


def test_no_text_is_a_formula_but_numbers_stay_numbers():
    settings = {"data.root": "=cmd", "+key": "@x", "optim.momentum": -0.5, "other": "-1+1"}
    records = [build_run("-a", settings=settings), build_run("b", settings={})]

    row, _ = csv.DictReader(render_csv(compare_runs(records)).splitlines())

    assert (row["cell"], row["data.root"], row["other"]) == ("'-a", "'=cmd", "'-1+1")
    assert row["'+key"] == "'@x"
    assert row["optim.momentum"] == "-0.5"
