"""Which folders `bnexp tb` gives to TensorBoard; the server itself is left out."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from bnexp.cli.tb import _say_how_to_colour, tb
from bnexp.errors import UsageError
from bnexp.runs.tensorboard_events import RUN_COLOURS


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Two experiments of the same name in two places, and what would be served."""
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/sw/norm=none", "runs/sw/norm=batch", "fsz/sw/base"):
        run = tmp_path / folder / "seed=0"
        run.mkdir(parents=True)
        (run / "status.json").write_text('{"state": "pending"}')
        (run / "config.yaml").write_text("")
    seen = {}

    def serve(folder, host, port):
        seen["folder"] = folder
        seen["links"] = {path.name: path.resolve() for path in folder.iterdir()}

    monkeypatch.setattr("bnexp.cli.tb._serve", serve)
    return seen


def run(*arguments):
    app = typer.Typer()
    app.command()(tb)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_one_name_is_served_as_it_is(served, tmp_path):
    run("sw")
    assert served["folder"] == tmp_path / "runs/sw"


def test_the_folder_of_a_cell_is_served_without_its_neighbours(served, tmp_path):
    run("runs/sw/norm=none")
    assert served["folder"] == tmp_path / "runs/sw/norm=none"


def test_an_experiment_and_a_cell_of_it_are_served_side_by_side(served, tmp_path):
    run("sw", "sw/norm=none")
    folder = tmp_path / "runs/sw"
    assert served["links"] == {"sw": folder, "norm=none": folder / "norm=none"}


def test_folders_of_the_same_name_are_told_apart(served, tmp_path):
    run("sw", "fsz/sw")
    assert served["links"] == {"runs_sw": tmp_path / "runs/sw", "fsz_sw": tmp_path / "fsz/sw"}


def test_a_name_given_twice_is_served_once(served, tmp_path):
    run("sw", "runs/sw")
    assert served["folder"] == tmp_path / "runs/sw"


def compare(folder):
    (folder / "_compare" / "norm=none" / "mean").mkdir(parents=True)
    return folder / "_compare"


def test_aggregate_serves_the_comparison_alone(served, tmp_path):
    comparison = compare(tmp_path / "runs/sw")
    run("sw", "--aggregate")
    assert served["folder"] == comparison


def test_aggregate_takes_the_comparison_of_a_cells_experiment(served, tmp_path):
    comparison = compare(tmp_path / "runs/sw")
    run("runs/sw/norm=none", "--aggregate")
    assert served["folder"] == comparison


def test_aggregate_tells_comparisons_apart_by_their_experiments(served, tmp_path):
    comparisons = [compare(tmp_path / name) for name in ("runs/sw", "fsz/sw")]
    run("sw", "fsz/sw", "--aggregate")
    assert served["links"] == dict(zip(("runs_sw", "fsz_sw"), comparisons, strict=True))


def test_aggregate_says_how_to_make_a_comparison(served):
    with pytest.raises(UsageError, match=r"bnexp compare sw$"):
        run("sw", "--aggregate")


def test_aggregate_without_a_name_serves_every_comparison(served, tmp_path):
    (tmp_path / "fsz/sw").rename(tmp_path / "runs/other")
    comparison = compare(tmp_path / "runs/sw")
    result = run("--aggregate")
    assert served["folder"] == comparison
    assert "without a comparison (bnexp compare NAME): other" in result.stderr


def test_aggregate_without_any_comparison_is_told(served):
    with pytest.raises(UsageError, match="no comparison in runs; make one"):
        run("--aggregate")


def test_a_comparison_beside_the_cells_changes_nothing(served, tmp_path):
    compare(tmp_path / "runs/sw")
    run("sw")
    assert served["folder"] == tmp_path / "runs/sw"


def test_the_link_colours_runs_by_their_cells(capsys):
    _say_how_to_colour("localhost", 6007)

    link, by_hand = capsys.readouterr().err.splitlines()
    address = urlsplit(link.rpartition(" ")[2])
    (rule,) = parse_qs(address.query)["runColorGroup"]
    assert address.netloc == "localhost:6007"
    assert by_hand.endswith(rule.removeprefix("regex:"))


@pytest.mark.parametrize(
    "name",
    [
        "norm=batch,lr=0.1/seed=3",
        "study/norm=batch,lr=0.1/seed=12",
        "_compare/norm=batch,lr=0.1/low",
    ],
)
def test_the_colour_of_a_run_is_that_of_its_cell(name):
    assert re.search(RUN_COLOURS, name).groups() == ("norm=batch,lr=0.1",)


def test_a_free_port_is_not_guessed(capsys):
    _say_how_to_colour("localhost", 0)

    assert "http" not in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_an_impossible_port_is_a_usage_error(served, port):
    assert run("--port", port).exit_code == 2


def test_a_runs_folder_with_a_name_too_long_is_told(served):
    with pytest.raises(UsageError, match="no folder xxx"):
        run("--runs-dir", "x" * 300)


def test_the_help_names_the_argument_once():
    assert " [NAME]..." in run("--help").stdout
