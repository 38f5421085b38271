import json
import math
import re
from pathlib import Path

import pytest
from claimed_runs import CLAIM, claimed_runs
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.json import render_json, render_json_by

PAGE = Path(__file__).parents[3] / "docs" / "json.md"


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
        "norm=batch: 1 of 4 runs diverged; its figures cover the other 3" in (document["warnings"])
    )


def test_what_does_not_exist_is_null_and_never_nan():
    records = [
        build_run("norm=none", 0, math.nan, history=(math.nan,), speed=math.nan),
        build_run("norm=batch", 0, 0.5),
    ]
    document = json.loads(render_json(compare_runs(records)), parse_constant=refuse)
    assert document["cells"][0]["mean"] is None
    assert document["cells"][0]["images_per_second"] is None


def documented_keys():
    """Returns the keys that each chapter of the page lists."""
    chapters = PAGE.read_text(encoding="utf-8").split("\n## ")
    return {
        chapter.partition("\n")[0]: [
            key
            for line in chapter.splitlines()
            if line.startswith("| `")
            for key in re.findall("`(.+?)`", line.split("|")[1])
        ]
        for chapter in chapters
    }


def complete_document():
    """Returns a document in which nothing is null that need not be."""
    records = [
        *claimed_runs(),
        build_run("norm=batch", 3, state="diverged", claims=(CLAIM,)),
    ]
    return json.loads(render_json(compare_runs(records, Question(margin=0.01))))


def test_the_page_lists_the_keys_of_every_object_in_order():
    document = complete_document()
    cell, claim = document["cells"][1], document["claims"][0]
    objects = {
        "A comparison": document,
        "A cell": cell,
        "A difference": cell["difference"],
        "Divergence": cell["divergence"],
        "Epochs to target": cell["epochs_to_target"],
        "A claim": claim,
        "A side": claim["treatment"],
    }
    documented = documented_keys()
    assert {name: list(content) for name, content in objects.items()} == {
        name: documented[name] for name in objects
    }


def test_a_claim_has_its_verdict_and_the_values_of_both_sides():
    (claim,) = json.loads(render_json(compare_runs(claimed_runs())))["claims"]
    assert (claim["verdict"], claim["direction"], claim["margin"]) == ("supported", "higher", 0.01)
    assert claim["treatment"]["values"] == {"0": 0.61, "1": 0.63, "2": 0.6}
    assert claim["mean"] == pytest.approx(0.49 / 3)


def test_each_value_of_a_key_has_its_comparison():
    records = [
        run
        for size in (8, 32)
        for norm in ("none", "batch")
        for run in build_cell(f"norm={norm},batch_size={size}", [0.4, 0.5])
    ]
    key = "data.batch_size"
    document = json.loads(render_json_by(key, *compare_by(records, key)))
    assert document["by"] == key
    assert [part["where"] for part in document["comparisons"]] == [{key: "8"}, {key: "32"}]


def test_the_margin_is_within():
    document = complete_document()
    difference = document["cells"][1]["difference"]
    assert document["margin"] == 0.01
    assert difference["p_equivalence"] > 0.95
    assert difference["changed"] == ["model.norm.name"]
