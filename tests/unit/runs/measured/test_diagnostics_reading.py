"""What diagnostics measured is read from the sealed rows of a run, if it is asked for."""

import json
from math import isnan

import pytest
from made_up_runs import add_rows, make_runs, seal

from bnexp.runs.measured.diagnostics import read_claimed_diagnostics, read_diagnostics
from bnexp.runs.reading import read_experiments, read_run

NORM, LOSS = "diag/gradient_norm/conv1", "train/loss"


@pytest.fixture
def run(tmp_path):
    folder = make_runs(tmp_path / "runs", cells=2, seeds=1, epochs=2)
    path = next(folder.glob("norm=none*")) / "seed=0"
    rows = {(1, 1): {NORM: 1.0, LOSS: 9.0}, (2, 1): {LOSS: 8.0}, (3, 2): {NORM: None}}
    add_rows(path, rows)
    return path


def test_a_series_has_the_steps_epochs_and_values_of_its_tag(run):
    found = read_diagnostics(read_run(run)).diagnostics

    assert list(found) == [NORM]
    assert (found[NORM].steps, found[NORM].epochs) == ((1, 3), (1, 2))
    assert found[NORM].values[0] == 1.0
    assert isnan(found[NORM].values[1])


def test_rows_that_were_altered_damage_the_run(run):
    metrics = run / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace("1.0", "2.0"))
    plain = read_run(run)
    read = read_diagnostics(plain)

    assert (plain.state, plain.problems) == ("finished", ())
    assert (read.state, read.is_damaged, read.summary) == ("failed", True, None)
    assert read.problems[0].endswith("its SHA-256 differs from that in manifest.json")


def test_rows_that_are_gone_damage_the_run(run):
    (run / "metrics.jsonl").unlink()

    assert read_diagnostics(read_run(run)).problems == (f"{run}/metrics.jsonl is missing",)


def test_a_run_that_left_no_rows_has_no_diagnostics(tmp_path):
    folder = make_runs(tmp_path / "runs", cells=2, seeds=1, epochs=2)
    read = [read_diagnostics(one) for one in read_experiments(["many"], folder.parent)]

    assert [(one.state, one.diagnostics) for one in read] == [("finished", {})] * 2


@pytest.mark.parametrize(
    "row",
    [
        '["diag/x/y"]',
        '{"diag/x/y": 1}',
        '{"step": -1, "epoch": 1, "diag/x/y": 1}',
        '{"step": 1, "epoch": 1, "diag/x/y": "1"}',
        '{"step": 1, "epoch": 1, "diag/x/y": ',
        '"diag/x/y' + "[" * 100_000,
    ],
)
def test_a_sealed_row_that_is_none_of_ours_damages_the_run(row, run):
    (run / "metrics.jsonl").write_text(row)
    seal(run)

    assert read_diagnostics(read_run(run)).problems == (
        f"{run}/metrics.jsonl holds a row that cannot be read",
    )


def test_only_runs_with_a_claim_about_a_diagnostic_are_read(run):
    environment = run / "environment.json"
    content = json.loads(environment.read_text())
    plain = read_run(run)
    content["config"]["claim"] = [{"metric": "diag/gradient_norm", "layers": "median"}]
    environment.write_text(json.dumps(content))
    seal(run)
    claimed = read_run(run)

    first, second = read_claimed_diagnostics([plain, claimed])
    assert (list(first.diagnostics), list(second.diagnostics)) == ([], [NORM])
