import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from made_up_runs import add_rows, make_runs
from records import build_cell, build_run
from typer.testing import CliRunner

from bnexp.cli.results.compare import compare
from bnexp.errors import UsageError

CLAIM = {
    "statement": "batch norm is better",
    "source": "a paper",
    "treatment": {"model.norm.name": "batch", "data.batch_size": 8},
    "control": {"model.norm.name": "none", "data.batch_size": 8},
    "direction": "higher",
    "margin": 0.01,
}
RECORDS = (
    *build_cell("norm=none", [0.45, 0.46, 0.44]),
    *build_cell("norm=batch", [0.61, 0.63, 0.6]),
    build_run("norm=batch", 3, state="running"),
)


@pytest.fixture
def read(monkeypatch):
    """Gives the made-up runs to the command, and keeps what it asked for."""
    asked = []

    def read_experiments(targets, runs_dir, **_):
        asked.append((list(targets), str(runs_dir)))
        return RECORDS

    monkeypatch.setattr("bnexp.api.report.read_experiments", read_experiments)
    return asked


@pytest.fixture(autouse=True)
def events(monkeypatch):
    """Keeps what the command would write for TensorBoard."""
    written = []
    monkeypatch.setattr(
        "bnexp.reports.tensorboard.report.write_to_tensorboard",
        lambda comparison, records, folder, warn: written.append((comparison, folder)),
    )
    return written


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
        "from typing import get_args\n"
        "from bnexp.cli.results.compare import ReportFormat, _print\n"
        "comparison = compare_runs([*build_cell('a', [.1, .2]), *build_cell('b', [.2, .5])])\n"
        "for kind in get_args(ReportFormat): _print([comparison], kind)"
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
    monkeypatch.setattr("bnexp.api.report.read_experiments", lambda *_, **__: records)
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
    code = f"import sys, bnexp.cli.results.compare; print(sorted({heavy!r} & sys.modules.keys()))"
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


GRID = tuple(
    run
    for size in (8, 32)
    for norm, values in (("none", [0.45, 0.46, 0.44]), ("batch", [0.61, 0.63, 0.6]))
    for run in build_cell(
        f"norm={norm},batch_size={size}",
        values,
        settings={"model.norm.name": norm, "data.batch_size": size},
        claims=(CLAIM,),
    )
)


@pytest.fixture
def read_grid(monkeypatch):
    monkeypatch.setattr("bnexp.api.report.read_experiments", lambda *_, **__: GRID)


def document_of(*arguments):
    return json.loads(run("--format", "json", *arguments).stdout)


def test_a_margin_makes_equivalence_testable(read):
    difference = document_of("--margin", "0.2")["cells"][1]["difference"]
    assert difference["verdict"] == "equivalent"


def test_by_gives_a_comparison_a_value(read_grid):
    document = document_of("--by", "batch_size")
    assert document["by"] == "data.batch_size"
    assert [len(part["cells"]) for part in document["comparisons"]] == [2, 2]


@pytest.mark.parametrize("report_format", ["table", "md", "csv", "latex"])
def test_by_works_in_every_format(read_grid, report_format):
    result = run("--format", report_format, "--by", "batch_size", "--where", "norm=batch")
    assert result.exit_code == 0
    assert "batch" in result.stdout


def test_by_says_that_claims_are_left_out(read_grid):
    assert "claims are only judged without --by" in run("--by", "batch_size").stderr


def test_where_leaves_the_runs_that_satisfy_it(read_grid):
    document = document_of("--where", "batch_size=8")
    assert [cell["settings"]["data.batch_size"] for cell in document["cells"]] == [8, 8]
    assert document["where"] == {"data.batch_size": "8"}


def test_claims_are_assessed_on_all_runs_whatever_is_chosen(read_grid):
    chosen = document_of("--where", "norm=none", "--where", "batch_size=8")
    assert chosen["claims"] == document_of()["claims"]
    assert chosen["claims"][0]["treatment"]["values"]


def test_claims_of_runs_that_are_not_chosen_are_assessed_too(monkeypatch):
    unclaimed = [replace(run, claims=()) if "norm=none" in run.cell else run for run in GRID]
    monkeypatch.setattr("bnexp.api.report.read_experiments", lambda *_, **__: unclaimed)

    (claim,) = document_of("--where", "norm=none")["claims"]

    assert claim["statement"] == document_of()["claims"][0]["statement"]


def test_csv_leaves_its_claims_to_stderr(read_grid):
    assert "\nclaim: Supported: batch norm is better" in f"\n{run('--format', 'csv').stderr}"


def test_a_part_of_a_cells_name_is_enough_for_a_baseline(read_grid):
    document = document_of("--where", "batch_size=8", "--baseline", "norm=batch")
    assert document["baseline"] == "norm=batch,batch_size=8"


def test_latex_is_a_table(read):
    assert "\\begin{tabular}" in run("--format", "latex").stdout


def test_html_is_named_on_stderr(read, tmp_path):
    result = run("--format", "json", "--html", str(tmp_path / "page.html"))
    assert result.stderr.endswith(f"wrote {tmp_path / 'page.html'}\n")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")


def test_the_comparison_goes_into_the_experiments_folder_for_tensorboard(read, events):
    run()
    ((comparison, folder),) = events
    assert comparison.baseline == "norm=none"
    assert folder == Path("runs/study/_compare")


@pytest.mark.parametrize("options", [("--where", "norm=none"), ("--by", "norm")])
def test_a_part_of_an_experiment_does_not_replace_the_whole_in_tensorboard(read, events, options):
    assert run(*options).exit_code == 0
    assert events == []


def test_several_experiments_have_no_folder_in_common(monkeypatch, events):
    records = (build_run(), build_run("norm=batch", experiment="other"))
    monkeypatch.setattr("bnexp.api.report.read_experiments", lambda *_, **__: records)
    assert run().exit_code == 0
    assert events == []


@pytest.fixture
def diagnosed(tmp_path):
    """Makes three runs of two cells whose layers have a gradient norm, and returns their folder."""
    folder = make_runs(tmp_path / "runs", cells=2, seeds=3, epochs=1)
    for cell, factor in (("none", 1.0), ("batch", 3.0)):
        for seed in range(3):
            (run,) = folder.glob(f"norm={cell}*/seed={seed}")
            norms = {f"diag/gradient_norm/conv{n}": factor * n + seed / 100 for n in (1, 2, 3)}
            add_rows(run, {(10, 1): norms})
    return folder.parent


def compare_diagnosed(folder, *options):
    return run("many", "--runs-dir", str(folder), "--format", "json", *options)


def test_a_diagnostic_is_compared_over_layers(diagnosed):
    options = ("--metric", "diag/gradient_norm", "--layers", "median")
    found = json.loads(compare_diagnosed(diagnosed, *options).stdout)

    assert found["metric"] == "diag/gradient_norm, median over layers"
    assert [cell["mean"] for cell in found["cells"]] == pytest.approx([2.01, 6.01])


def test_a_run_whose_rows_were_altered_counts_neither_for_a_diagnostic_nor_silently(diagnosed):
    run = next(diagnosed.glob("many/norm=none*/seed=1"))
    (run / "metrics.jsonl").write_text("")
    plain = json.loads(compare_diagnosed(diagnosed).stdout)
    found = json.loads(compare_diagnosed(diagnosed, "--metric", "diag/gradient_norm/conv1").stdout)

    assert [cell["n"] for cell in plain["cells"]] == [3, 3]
    assert [cell["n"] for cell in found["cells"]] == [2, 3]
    assert any("metrics.jsonl is not what the run wrote" in one for one in found["warnings"])


def test_layers_go_with_a_diagnostic(diagnosed):
    result = compare_diagnosed(diagnosed, "--layers", "median")

    assert str(result.exception).startswith("--layers: goes with a diagnostic")


def test_chosen_columns_are_all_that_is_shown_beside_the_settings(read):
    lines = run("--format", "md", "--columns", "verdict, n").stdout.splitlines()
    headers = [line for line in lines if line.startswith("| ")]
    assert headers[0] == "| norm | verdict | n |"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--columns", "meen"), "'meen' is not one of n, mean, difference, p, verdict, "),
        (("--columns", "n", "--format", "csv"), "csv always holds all figures; leave it out"),
        (("--caption", "x"), "only --format latex has one; leave it out"),
    ],
)
def test_columns_and_captions_that_cannot_be_are_refused(words, said, read):
    result = run(*words)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
