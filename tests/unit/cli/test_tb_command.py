"""Which folders `bnexp tb` gives to TensorBoard, and at which address; the server is left out."""

import json
import re
import shutil
import socket
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from bnexp.cli.results.tb import tb
from bnexp.errors import UsageError
from bnexp.reports.tensorboard.serve import LINE_COLOURS, build_address, find_port
from bnexp.runs.streams.tensorboard_events import RUN_COLOURS


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

    def serve(shown, host, port, say, is_opened):
        seen["colours"] = shown.colours
        seen["find"] = lambda: {str(k): v.resolve() for k, v in shown.find_links().items()}
        seen["links"] = seen["find"]()
        return 0

    monkeypatch.setattr("bnexp.reports.tensorboard.serve.serve", serve)
    return seen


def run(*arguments):
    app = typer.Typer()
    app.command()(tb)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_cells_of_one_experiment_are_shown_by_their_names(served, tmp_path):
    run("sw")
    folder = tmp_path / "runs/sw"
    assert served["links"] == {name: folder / name for name in ("norm=none", "norm=batch")}


def test_a_cell_that_begins_later_is_shown_too(served, tmp_path):
    run("sw")
    later = tmp_path / "runs/sw/norm=group"
    (later / "seed=0").mkdir(parents=True)
    assert served["find"]()["norm=group"] == later


def test_tuning_runs_are_shown_only_if_they_are_named(served, tmp_path):
    tried = tmp_path / "runs/sw/_tune/norm=none,learning_rate=0.1"
    shutil.copytree(tmp_path / "runs/sw/norm=none", tried)
    run("sw")
    assert set(served["links"]) == {"norm=none", "norm=batch"}
    run("sw/_tune")
    assert served["links"] == {tried.name: tried}


def test_a_cell_is_shown_without_its_neighbours(served, tmp_path):
    run("runs/sw/norm=none")
    assert served["links"] == {"norm=none": tmp_path / "runs/sw/norm=none"}


def test_a_run_is_shown_below_its_cell(served, tmp_path):
    run("runs/sw/norm=none/seed=0")
    assert served["links"] == {"norm=none/seed=0": tmp_path / "runs/sw/norm=none/seed=0"}


def test_an_experiment_and_a_cell_of_it_are_shown_side_by_side(served, tmp_path):
    run("sw", "sw/norm=none")
    folder = tmp_path / "runs/sw"
    assert served["links"] == {
        "sw/norm=none": folder / "norm=none",
        "sw/norm=batch": folder / "norm=batch",
        "norm=none/norm=none": folder / "norm=none",
    }


def test_experiments_of_the_same_name_have_names_of_their_own(served, tmp_path):
    run("sw", "fsz/sw")
    assert served["links"]["runs_sw/norm=none"] == tmp_path / "runs/sw/norm=none"
    assert served["links"]["fsz_sw/base"] == tmp_path / "fsz/sw/base"


def test_without_a_name_every_experiment_is_shown(served, tmp_path):
    run()
    assert set(served["links"]) == {"sw/norm=none", "sw/norm=batch"}


def test_a_name_given_twice_is_shown_once(served):
    run("sw", "runs/sw")
    assert set(served["links"]) == {"norm=none", "norm=batch"}


def link_of(comparison, prefix=""):
    return {prefix + run: comparison / run for run in ("norm=none", "comparison", "layout")}


def compare(folder):
    for run in ("norm=none/mean", "comparison", "layout"):
        (folder / "_compare" / run).mkdir(parents=True)
    return folder / "_compare"


def test_aggregate_serves_the_comparison_alone(served, tmp_path):
    comparison = compare(tmp_path / "runs/sw")
    run("sw", "--aggregate")
    assert served["links"] == link_of(comparison)
    assert served["colours"] == LINE_COLOURS


def test_aggregate_takes_the_comparison_of_a_cells_experiment(served, tmp_path):
    comparison = compare(tmp_path / "runs/sw")
    run("runs/sw/norm=none", "--aggregate")
    assert served["links"] == link_of(comparison)
    assert served["colours"] == LINE_COLOURS


def test_aggregate_tells_comparisons_apart_by_their_experiments(served, tmp_path):
    comparisons = [compare(tmp_path / name) for name in ("runs/sw", "fsz/sw")]
    run("sw", "fsz/sw", "--aggregate")
    assert served["links"] == {
        **link_of(comparisons[0], "runs_sw/"),
        **link_of(comparisons[1], "fsz_sw/"),
    }


def test_aggregate_says_how_to_make_a_comparison(served):
    with pytest.raises(UsageError, match=r"bnexp compare sw$"):
        run("sw", "--aggregate")


def test_aggregate_without_a_name_serves_every_comparison(served, tmp_path):
    (tmp_path / "fsz/sw").rename(tmp_path / "runs/other")
    comparison = compare(tmp_path / "runs/sw")
    result = run("--aggregate")
    assert served["links"] == link_of(comparison)
    assert served["colours"] == LINE_COLOURS
    assert "without a comparison (bnexp compare NAME): other" in result.stderr


def test_aggregate_without_any_comparison_is_told(served):
    with pytest.raises(UsageError, match="no comparison in runs; make one"):
        run("--aggregate")


def test_the_comparison_is_one_more_run_without_its_means(served, tmp_path):
    comparison = compare(tmp_path / "runs/sw")
    run("sw")
    assert served["links"]["comparison"] == comparison / "comparison"
    assert set(served["links"]) == {"norm=none", "norm=batch", "comparison"}


def test_the_address_pins_the_cards_and_colours_runs_by_their_cells():
    address = urlsplit(build_address("0.0.0.0", 6007, RUN_COLOURS))
    query = parse_qs(address.query)

    assert (address.netloc, address.fragment) == ("localhost:6007", "timeseries")
    assert [card["tag"] for card in json.loads(query["pinnedCards"][0])] == [
        "test/accuracy", "train/accuracy", "test/loss", "train/loss",
    ]  # fmt: skip
    assert query["smoothing"] == ["0"]
    assert query["runColorGroup"] == [f"regex:{RUN_COLOURS}"]


def test_a_port_in_use_gives_the_next_free_one():
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < find_port("localhost", port) <= port + 20


def test_a_host_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match=r"there is no host 'no-such-host.invalid'"):
        find_port("no-such-host.invalid", 6006)


def test_mean_and_band_of_a_cell_have_colours_of_their_own():
    groups = {
        line: re.search(LINE_COLOURS, f"norm=batch,lr=0.1/{line}").groups()
        for line in ("mean", "low", "high")
    }
    assert groups["low"] == groups["high"] != groups["mean"]


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


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_an_impossible_port_is_a_usage_error(served, port):
    assert run("--port", port).exit_code == 2


def test_a_runs_folder_with_a_name_too_long_is_told(served):
    with pytest.raises(UsageError, match="no folder xxx"):
        run("--runs-dir", "x" * 300)


def test_the_help_names_the_argument_once():
    assert " [NAME]..." in run("--help").stdout
