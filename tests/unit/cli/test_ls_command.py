"""`bnexp ls` shows whole names, whatever the width and the encoding."""

import json
import os
import socket
import time

import pytest
import typer
from made_up_runs import final_accuracy, make_runs
from typer.testing import CliRunner

from bnexp.cli.runs.ls import ls
from bnexp.locks import hold_lock

CELL = "norm=none,placement=after_activation,batch_size=128,learning_rate=0.0125"


@pytest.fixture
def here(tmp_path):
    run = tmp_path / "runs" / "sw" / CELL / "seed=0"
    run.mkdir(parents=True)
    (run / "status.json").write_text(json.dumps({"state": "pending", "cell": CELL}))
    (run / "config.yaml").write_text("")
    return tmp_path


def rows_of(stdout):
    """Returns the name and the rest of each line below the header's, whose seeds end alike."""
    lines = stdout.splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("─"))
    end = next(line.index("seed") + 4 for line in lines[:rule] if "seed" in line)
    return [
        (line[: end - 4].strip(), [line[end - 4 : end].strip(), line[end:].strip()])
        for line in lines[rule + 1 :]
    ]


def test_a_long_cell_name_is_folded_and_not_cut(here, bnexp):
    done = bnexp("ls", "sw", cwd=here, COLUMNS="80")

    assert "".join(name for name, _ in rows_of(done.stdout)) == CELL


def test_a_name_is_broken_after_its_commas_and_stands_once_for_all_seeds(bnexp, tmp_path):
    make_runs(tmp_path / "runs", cells=2, seeds=2)

    done = bnexp("ls", "many", cwd=tmp_path, COLUMNS="68")

    assert [(name, seed) for name, (seed, *_) in rows_of(done.stdout)[3:]] == [
        ("norm=batch,", "0"),
        ("learning_rate=0.001", ""),
        ("", "1"),
    ]


def test_names_fit_any_encoding(here, started_bnexp):
    done = started_bnexp("ls", "sw", cwd=here, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert "batch_size=128" in done.stdout


def run(*arguments):
    app = typer.Typer()
    app.command()(ls)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    return " ".join(result.stdout.split())


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Leaves six runs: one is trained now, one was left two hours ago, the rest is finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    runs = sorted(make_runs(tmp_path / "runs").glob("*/seed=*"))
    for path in runs[:2]:
        (path / "summary.json").unlink()
        status = json.loads((path / "status.json").read_text())
        moment = time.time() - 7200
        (path / "status.json").write_text(
            json.dumps({**status, "state": "running", "heartbeat": moment})
        )
    with hold_lock(runs[0] / ".lock", pytest.fail):
        yield runs


def test_a_run_whose_process_is_gone_is_told_from_one_that_is_trained(begun):
    assert "1 running, 1 cut off, 4 finished" in run()
    runs = run("many")
    assert "cut off" in runs
    assert "running" in runs
    assert runs.count("2 h ago") == 2
    assert runs.count("finished") == 4


def test_who_holds_a_run_is_named(begun):
    held = begun[0].relative_to(begun[0].parents[3])
    said = run("many")

    assert f"process {os.getpid()} on {socket.gethostname()} holds {held}" in said
    assert said.count(" holds ") == 1


def test_json_says_which_runs_are_silent(begun, bnexp, tmp_path):
    (experiment,) = json.loads(bnexp("ls", "--json", cwd=tmp_path).stdout)
    runs = json.loads(bnexp("ls", "many", "--json", cwd=tmp_path).stdout)

    assert experiment["states"] == {"finished": 4, "running": 2}
    assert experiment["silent"] == 1
    assert [one["path"] for one in runs if one["silent"]] == [str(begun[1].relative_to(tmp_path))]


def test_more_runs_than_a_table_is_for_are_printed_one_a_line(started_bnexp, tmp_path):
    make_runs(tmp_path / "runs", cells=2, seeds=251)

    done = started_bnexp("ls", "many", cwd=tmp_path, COLUMNS="40", PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.splitlines()
    assert len(lines) == 2 * 251
    columns = [header.index(name) for name in ("cell", "seed", "state", "epochs", "test accuracy")]
    assert columns[0] == 0
    cells = [[line[start:].split()[0] for start in columns] for line in lines]
    assert [int(cell[1]) for cell in cells] == [*range(251)] * 2
    assert {(cell[2], cell[3]) for cell in cells} == {("finished", "10")}
    assert cells[0][0] == "norm=none,learning_rate=0.001"
    assert cells[7][4] == f"{100 * final_accuracy(0, 7):.1f}"


def test_a_damaged_summary_is_no_finished_run(begun):
    (begun[5] / "summary.json").write_text("{")

    assert "3 finished, 1 failed" in run()
