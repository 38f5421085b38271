"""`bnexp init` and `bnexp schema`: a config of one's own, and what editors know of it."""

import json

import pytest
from typer.testing import CliRunner

from bnexp.cli.app import build_app
from bnexp.config.load import load_experiment
from bnexp.config.schema import write_schema
from bnexp.config.shipped import find_shipped, list_shipped
from bnexp.errors import UsageError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*words):
        return CliRunner().invoke(build_app(), words, env={"COLUMNS": "80"}, catch_exceptions=False)

    return invoke


def test_it_lists_all_with_their_purposes(run):
    shown = run("init").stdout

    assert [one.short_name for one in list_shipped() if one.short_name not in shown] == []
    assert "does batch norm help a small CNN" in shown


def test_it_writes_a_copy_and_the_schema_beside_it(run, tmp_path):
    done = run("init", "cifar10/bn-vs-none")

    copied = tmp_path / "bn-vs-none.yaml"
    assert done.exit_code == 0
    assert "next: bnexp plan bn-vs-none.yaml" in done.stderr
    assert len(load_experiment(copied).runs) == 15
    assert (tmp_path / "bnexp.schema.json").read_text("utf-8") == write_schema()


def test_it_writes_elsewhere(run, tmp_path):
    (tmp_path / "mine").mkdir()

    run("init", "quickstart", "--to", "mine/first.yaml")

    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "first.yaml",
        "bnexp.schema.json",
    }


def test_it_replaces_no_file_unless_forced(run, tmp_path):
    mine = tmp_path / "quickstart.yaml"
    mine.write_text("name: mine\n")

    with pytest.raises(UsageError, match=r"^quickstart.yaml exists; replace it with --force"):
        run("init", "quickstart")
    assert mine.read_text() == "name: mine\n"

    run("init", "quickstart", "--force")
    assert "name: quickstart" in mine.read_text("utf-8")


def test_it_says_that_the_folder_is_missing(run):
    with pytest.raises(UsageError, match=r"^cannot write 'no/first.yaml': No such file"):
        run("init", "quickstart", "--to", "no/first.yaml")


def test_an_option_alone_is_refused(run):
    with pytest.raises(UsageError, match=r"^name the config to copy"):
        run("init", "--force")


def test_the_schema_is_printed(run):
    assert json.loads(run("schema").stdout)["title"] == "A config of bnexp"


def test_a_shipped_config_is_planned_by_its_name(run):
    done = run("plan", "quickstart")

    assert f"quickstart comes with bnexp: {find_shipped('quickstart').path}" in done.stderr
    assert "quickstart: 8 runs" in done.stdout


def test_a_shipped_config_is_shown_by_its_name(run):
    assert "quickstart, norm=none: cnn on" in run("show", "quickstart").stdout
