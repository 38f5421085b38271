import json
import math

import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.json_report import render_json


@pytest.fixture
def document():
    records = [
        *build_cell("norm=none", [0.45, 0.46, 0.44]),
        *build_cell("norm=batch", [0.61, 0.63, 0.6]),
        build_run("norm=batch", 3, state="diverged"),
    ]
    return json.loads(render_json(compare_runs(records)))


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_the_document_has_the_documented_keys(document):
    assert document.keys() >= {"experiment", "metric", "baseline", "cells", "claims", "warnings"}


def test_a_cell_has_the_documented_keys(document):
    documented = "cell settings n mean std ci_low ci_high values difference statuses"
    assert all(cell.keys() >= set(documented.split()) for cell in document["cells"])


def test_a_difference_has_the_documented_keys(document):
    none, batch = document["cells"]
    documented = "mean ci_low ci_high p p_holm verdict"
    assert none["difference"] is None
    assert batch["difference"].keys() >= set(documented.split())


def test_values_are_keyed_by_seed_and_in_the_metrics_unit(document):
    assert document["cells"][0]["values"] == {"0": 0.45, "1": 0.46, "2": 0.44}


def test_every_state_is_counted(document):
    assert document["cells"][1]["statuses"] == {
        "pending": 0,
        "running": 0,
        "finished": 3,
        "diverged": 1,
        "interrupted": 0,
        "failed": 0,
    }


def test_warnings_are_within(document):
    assert (
        "norm=batch: 1 of 4 runs diverged; its figures are of the other 3" in (document["warnings"])
    )


def test_what_does_not_exist_is_null_and_never_nan():
    records = [
        build_run("norm=none", 0, math.nan, history=(math.nan,), speed=math.nan),
        build_run("norm=batch", 0, 0.5),
    ]
    document = json.loads(render_json(compare_runs(records)), parse_constant=refuse)
    assert document["cells"][0]["mean"] is None
    assert document["cells"][0]["images_per_second"] is None
