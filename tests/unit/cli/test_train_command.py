"""`bnexp train` ends with the commands that make sense next, and only with those."""

import pytest
import typer
from sweeps import CONFIG
from typer.testing import CliRunner

from bnexp.cli.experiments.train import train
from bnexp.launch.stop import StopSignal

COMPARE = "compare:     bnexp compare many"
TENSORBOARD = "TensorBoard: bnexp tb many"
TOO_BIG = "{conv: 65536, kernel_size: 1}, {conv: 65536, kernel_size: 301}"
"""The second layer's 4 × 10^14 weights are more than a process can address."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Trains in an empty folder and returns the exit code and what stands on stdout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    app = typer.Typer()
    app.command()(train)

    def run(*settings, flags=()):
        words = [word for setting in settings for word in ("-s", setting)]
        result = CliRunner().invoke(app, ["c.yaml", *words, *flags])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout.splitlines()

    return run


def test_one_finished_run_can_be_compared_also_where_it_is_skipped(run):
    settings = [f"sweep.grid={{model.layers: [[{TOO_BIG}], [{{conv: 4}}]]}}"]
    assert run(*settings) == (1, [COMPARE, TENSORBOARD])
    assert run(*settings) == (1, [COMPARE, TENSORBOARD])


@pytest.mark.parametrize(("jobs", "code"), [("auto", 0), ("1", 0), ("0", 2), ("-1", 2), ("two", 2)])
def test_jobs_are_a_number_or_auto(jobs, code, run):
    assert run(flags=("--jobs", jobs))[0] == code


def test_a_plan_checks_the_network_against_the_image_size_and_says_what_it_cannot_check(run):
    folder = "data={name: image_folder, root: pics, batch_size: 4, image_size: [64, 64]}"
    unchecked = "what the data holds is known only once it is read, so the config is not checked"

    code, planned = run(folder, flags=["--dry-run"])
    assert code == 0
    assert any(line.startswith(unchecked) for line in planned)
    assert not any(line.startswith(unchecked) for line in run(flags=["--dry-run"])[1])


def test_failed_runs_alone_cannot_be_compared(run):
    assert run(f"model.layers=[{TOO_BIG}]") == (1, [TENSORBOARD])


def test_where_no_run_was_begun_there_is_nothing_to_look_at(run, monkeypatch):
    monkeypatch.setattr(StopSignal, "is_set", lambda _: True)
    assert run() == (1, [])


def test_an_extension_is_planned_and_trained_beside_the_runs_that_it_extends(run):
    constant = "optim.schedule={name: constant, warmup_epochs: 0}"
    assert run(constant) == (0, [COMPARE, TENSORBOARD])

    code, planned = run(constant, "train.epochs=2", flags=["--extend", "--dry-run"])
    assert (code, planned[0]) == (
        0,
        "many.2_epochs: 1 run in runs/many.2_epochs, 1 of them from a checkpoint",
    )
    assert "from epoch 1 of many: 1 run" in planned
    code, said = run(constant, "train.epochs=2", flags=["--extend"])
    assert (code, said[0]) == (0, f"{COMPARE}.2_epochs")
    assert run(constant) == (0, [COMPARE, TENSORBOARD])
