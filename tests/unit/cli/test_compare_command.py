import json
import os
import subprocess
import sys

import pytest
import typer
from records import build_cell, build_run
from typer.testing import CliRunner

from bnexp.cli.compare import compare
from bnexp.errors import UsageError

RECORDS = (
    *build_cell("norm=none", [0.45, 0.46, 0.44]),
    *build_cell("norm=batch", [0.61, 0.63, 0.6]),
    build_run("norm=batch", 3, state="running"),
)


@pytest.fixture
def read(monkeypatch):
    """Gives the made-up runs to the command, and keeps what it asked for."""
    asked = []

    def read_experiments(targets, runs_dir):
        asked.append((list(targets), str(runs_dir)))
        return RECORDS

    monkeypatch.setattr("bnexp.runs.reading.read_experiments", read_experiments)
    return asked


def run(*arguments):
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, arguments)


def test_without_a_name_the_reader_picks_the_experiment(read):
    assert run().exit_code == 0
    assert read == [([], "runs")]


def test_names_and_folder_go_to_the_reader(read):
    run("a", "b", "--runs-dir", "elsewhere")
    assert read == [(["a", "b"], "elsewhere")]


def test_the_table_is_the_default(read):
    assert "norm=batch is better than norm=none by 16.3 points" in run().stdout


def test_no_line_of_the_table_ends_in_blanks(read):
    assert all(line == line.rstrip() for line in run().stdout.splitlines())


def test_the_report_fits_any_encoding():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from records import build_cell\n"
        "from bnexp.analysis.comparison import compare_runs\n"
        "from bnexp.cli.compare import ReportFormat, _print\n"
        "comparison = compare_runs([*build_cell('a', [.1, .2]), *build_cell('b', [.2, .5])])\n"
        "for kind in ReportFormat: _print(comparison, kind)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert "? and [ ]: 95 % t intervals" in done.stdout


def test_json_is_alone_on_stdout(read):
    result = run("--format", "json")
    assert json.loads(result.stdout)["warnings"] == ["1 run is still running: norm=batch seed 3"]
    assert result.stderr == ""


def test_csv_leaves_its_warnings_to_stderr(read):
    result = run("--format", "csv")
    assert result.stdout.startswith("experiment,metric,")
    assert result.stderr == "warning: 1 run is still running: norm=batch seed 3\n"


def test_markdown_has_its_warnings_within(read):
    assert "**Warning:** 1 run is still running" in run("--format", "md").stdout


def test_plots_are_named_on_stderr(read, tmp_path):
    result = run("--format", "json", "--plots", str(tmp_path))
    json.loads(result.stdout)
    assert f"wrote {tmp_path / 'effects_test_accuracy.png'}\n" in result.stderr


def test_without_data_for_a_figure_the_command_says_so(monkeypatch, tmp_path):
    records = (build_run(state="running"),)
    monkeypatch.setattr("bnexp.runs.reading.read_experiments", lambda *_: records)
    assert "no figures" in run("--plots", str(tmp_path)).stderr


def test_options_reach_the_comparison(read):
    document = json.loads(
        run("--format", "json", "--baseline", "norm=batch", "--target", "0.5").stdout
    )
    assert (document["baseline"], document["target"]) == ("norm=batch", 0.5)


def test_a_mistake_is_a_usage_error(read):
    assert isinstance(run("--metric", "nonsense").exception, UsageError)


def test_the_command_loads_neither_torch_nor_what_only_figures_need():
    heavy = {"torch", "torchvision", "tensorboard", "matplotlib", "scipy"}
    code = f"import sys, bnexp.cli.compare; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_comparison_loads_neither_torch_nor_all_of_scipys_statistics():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from records import build_cell\n"
        "from bnexp.analysis.comparison import compare_runs\n"
        "compare_runs([*build_cell('a', [.1, .2]), *build_cell('b', [.2, .5])])\n"
        "print(sorted({'torch', 'scipy.stats', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
