import pytest
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.reports.html.page import render_html
from bnexp.reports.words.commands import compare_command, train_command
from bnexp.runs.record import flatten, unflatten

ENVIRONMENT = {
    "command.0": "/somewhere/bin/bnexp",
    "command.1": "train",
    "command.2": "a study.yaml",
}


@pytest.fixture
def records():
    return [*build_cell("norm=none", [0.3, 0.4]), *build_cell("norm=batch", [0.5, 0.7])]


def test_a_recorded_command_can_be_pasted():
    assert train_command(ENVIRONMENT) == "bnexp train 'a study.yaml'"
    assert train_command({}) is None


def test_the_compare_command_names_what_was_asked(records):
    comparison = compare_runs(records, Question("test/accuracy", "norm=batch", 0.5, 0.01))
    assert compare_command([comparison], records) == (
        "bnexp compare study --metric test/accuracy --baseline norm=batch --target 0.5 "
        "--margin 0.01"
    )


def test_the_compare_command_of_a_split_comparison_says_by(records):
    comparisons = compare_by(records, "model.norm.name")
    assert compare_command(comparisons, records).endswith(
        "--metric test/accuracy --by model.norm.name"
    )


def test_the_compare_command_of_a_split_comparison_says_all_that_was_asked(records):
    where = {"data.batch_size": ("8", "16")}
    question = Question("test/accuracy", "norm", 0.1 + 0.2, 0.0123456789, where)
    grid = build_cell("norm,batch_size=8", [0.3]) + build_cell("norm,batch_size=16", [0.4])
    comparisons = compare_by(grid, "data.batch_size", question)
    assert compare_command(comparisons, grid) == (
        "bnexp compare study --metric test/accuracy --where data.batch_size=8 "
        "--where data.batch_size=16 --by data.batch_size --baseline norm "
        "--target 0.30000000000000004 --margin 0.0123456789"
    )


def test_a_flattened_config_is_nested_again():
    tree = {"a": [{"b": 1}, {"b": None}], "c": {}, "d": [], "e": {"10": "x"}, "f": [1, 2]}
    assert unflatten(flatten(tree)) == tree


def test_the_compare_command_repeats_the_conditions(records):
    where = {"data.batch_size": ("8", "16")}
    command = compare_command([compare_runs(records, Question(where=where))], records)
    assert "--where data.batch_size=8 --where data.batch_size=16" in command


def test_the_page_repeats_a_command_without_its_secrets_and_home_folder():
    words = ("/home/ann/bin/bnexp", "train", "/home/ann/study/x.yaml", "-s", "optim.momentum=0.5")
    words = (*words, "-s", "data.api_key=hunter2", "--runs-dir=/scratch/ann/runs")
    command = {f"command.{index}": word for index, word in enumerate(words)}
    records = [build_run("norm=none", environment=command), build_run("norm=batch")]

    page = render_html([compare_runs(records)], records)

    assert "bnexp train ~/study/x.yaml -s optim.momentum=0.5 -s data.api_key=***" in page
    assert "--runs-dir=…/runs" in page
    assert "/ann" not in page
    assert "hunter2" not in page
