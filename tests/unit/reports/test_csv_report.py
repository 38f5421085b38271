import csv

import pytest
from records import build_cell

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.csv_report import render_csv


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
