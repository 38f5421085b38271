"""Which folders `bnexp tb` gives to TensorBoard; the server itself is left out."""

import pytest
import typer
from typer.testing import CliRunner

from bnexp.cli.tb import tb
from bnexp.errors import UsageError


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


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_an_impossible_port_is_a_usage_error(served, port):
    assert run("--port", port).exit_code == 2


def test_a_runs_folder_with_a_name_too_long_is_told(served):
    with pytest.raises(UsageError, match="no folder xxx"):
        run("--runs-dir", "x" * 300)


def test_the_help_names_the_argument_once():
    assert " [NAME]..." in run("--help").stdout
