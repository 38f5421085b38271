"""`bnexp doctor` prints what it finds, as text or JSON, and exits with 1 if something is wrong."""

import json

import pytest
import typer
from typer.testing import CliRunner

from bnexp.cli.experiments.doctor import doctor
from bnexp.doctor import examination
from bnexp.doctor.finding import Finding
from bnexp.errors import UsageError

WARNING = Finding("it is odd", "7 of 8", "warning", "model.norm", "a slip", "change it", "eps")
ERROR = Finding("it is wrong", "8 of 8", "error", cause="a slip", fix="change it", check="gap")
FINE = Finding("device", "cpu", "fine", check="device")


def run(monkeypatch, findings, *arguments):
    monkeypatch.setattr(examination, "examine_machine", lambda runs_dir: findings)
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "60"})


@pytest.mark.parametrize(
    ("findings", "exit_code", "conclusion"),
    [
        ([FINE], 0, "nothing is wrong"),
        ([FINE, WARNING], 0, "1 warning"),
        ([FINE, WARNING, ERROR], 1, "1 error, 1 warning"),
    ],
)
def test_it_exits_with_1_if_there_is_an_error(monkeypatch, findings, exit_code, conclusion):
    result = run(monkeypatch, findings)

    assert result.exit_code == exit_code
    assert result.stdout.splitlines()[-1] == conclusion


def test_what_is_wrong_has_its_parts_a_line_each(monkeypatch):
    long = Finding("it is odd", "word " * 14 + "5 %", "warning", "", "a slip", "change it", "eps")

    assert run(monkeypatch, [FINE, long]).stdout == (
        "this machine\n"
        "✓ device: cpu\n"
        "\n"
        "! it is odd\n"
        "  evidence  " + "word " * 14 + "5 %\n"
        "  cause     a slip\n"
        "  fix       change it\n"
        "\n"
        "1 warning\n"
    )


def test_json_is_all_of_stdout(monkeypatch):
    result = run(monkeypatch, [FINE, ERROR], "--json")

    content = json.loads(result.stdout)
    assert result.exit_code == 1
    assert content["subject"] == "this machine"
    assert content["is_sound"] is False
    assert content["findings"][1] == {
        "check": "gap",
        "severity": "error",
        "what": "it is wrong",
        "place": "",
        "evidence": "8 of 8",
        "cause": "a slip",
        "fix": "change it",
    }


def test_text_of_others_cannot_steer_a_terminal(monkeypatch):
    found = Finding("odd \x1b[2J", "\x07[red]", "warning", cause="\x9b", fix="x", check="eps")

    shown = run(monkeypatch, [found]).stdout

    assert "odd \\x1b[2J" in shown
    assert "\\x07[red]" in shown


@pytest.mark.parametrize("arguments", [("-s", "train.epochs=3"), ("--tier", "smoke")])
def test_what_changes_a_config_needs_one(monkeypatch, arguments):
    assert isinstance(run(monkeypatch, [], *arguments).exception, UsageError)


def test_a_name_that_is_neither_is_an_error_of_usage(monkeypatch, tmp_path):
    result = run(monkeypatch, [], "quikstart", "--runs-dir", str(tmp_path))

    assert isinstance(result.exception, UsageError)


def test_a_config_that_comes_with_bnexp_is_found_by_its_name(bnexp, tmp_path):
    done = bnexp("doctor", "quickstart", "--json", cwd=tmp_path)

    content = json.loads(done.stdout)
    assert content["subject"].endswith("quickstart.yaml")
    assert content["is_sound"]
    assert "comes with bnexp" in done.stderr
