"""`bnexp show RUN` says what became of a run and how to go on."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from made_up_runs import add_predictions, final_accuracy, make_predictions, make_runs, seal
from typer.testing import CliRunner

from bnexp.api.runs import load_runs
from bnexp.cli.runs.show import show
from bnexp.locks import hold_lock
from bnexp.runs import RunDir, read_run

CELL = "norm=batch,learning_rate=0.001"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_runs(Path("runs"))
    return RunDir(Path("runs/many") / CELL / "seed=1")


def unfinish(folder, state, **status):
    """Makes a finished run one that is in another state."""
    folder.summary.unlink(missing_ok=True)
    folder.manifest.unlink(missing_ok=True)
    content = json.loads(folder.status.read_text())
    folder.status.write_text(json.dumps({**content, "state": state, **status}))


def run(*arguments):
    app = typer.Typer()
    app.command()(show)
    return CliRunner().invoke(app, arguments)


def shown(*arguments):
    """Returns the text by its titles."""
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    sections, title = {}, ""
    for line in result.stdout.splitlines()[1:]:
        title = line[:11].strip() or title
        sections.setdefault(title, []).append(line[11:])
    return sections


@pytest.mark.parametrize("target", [f"many/{CELL}/seed=1", f"runs/many/{CELL}/seed=1"])
def test_a_finished_run_is_shown_with_settings_figures_files_and_what_is_next(folder, target):
    text = shown(target)

    assert text["state"][0].startswith("finished, ")
    assert text["folder"] == [f"runs/many/{CELL}/seed=1"]
    assert text["swept"] == ["model.norm.name = batch", "optim.learning_rate = 0.001"]
    assert "train.epochs = 10" in text["config"]
    assert f"test/accuracy = {100 * final_accuracy(1, 1):.1f} %" in text["measured"]
    assert "config.yaml  10 B" in text["files"]
    assert text["next"][:2] == ["bnexp compare many", "bnexp tb many"]
    assert "problems" not in text


def test_an_experiment_or_a_cell_shows_its_first_run_and_says_so(folder):
    assert run("many").stdout.startswith("many, norm=none,learning_rate=0.001, seed 0\n")
    assert "the first of 6 runs; bnexp ls many lists them" in run("many").stderr
    assert run("many", "--cell", CELL).stdout.startswith(f"many, {CELL}, seed 0\n")
    assert run(f"many/{CELL}").stdout.startswith(f"many, {CELL}, seed 0\n")


def test_what_a_run_trains_in_an_unusual_way_is_shown(folder):
    summary = json.loads(folder.summary.read_text())
    folder.summary.write_text(json.dumps({**summary, "trained_parameters": 20}))
    environment = json.loads(folder.environment.read_text())
    environment["config"]["train"]["trainable"] = "norms"
    environment["config"]["optim"]["clip_norm"] = 0.5
    folder.environment.write_text(json.dumps(environment))
    seal(folder.path)

    sections = shown(str(folder.path))
    assert "1,000 parameters, 20 of them trained" in " ".join(sections["measured"])
    assert sections["config"][-2:] == ["train.trainable = norms", "optim.clip_norm = 0.5"]


def test_a_failed_run_says_why_and_how_to_go_on(folder):
    unfinish(folder, "failed", reason="RuntimeError: the norm is broken\nat once", step=7)
    folder.say("what was said")

    text = shown(str(folder.path))

    assert text["state"][0].startswith("failed, ")
    assert text["state"][1:] == ["step 7", "RuntimeError: the norm is broken", "at once"]
    assert text["next"][0] == "bnexp train many.yaml"
    assert text["next"][-1] == f"less {shlex.quote(str(folder.log))}"


def test_a_diverged_run_says_why(folder):
    content = json.loads(folder.summary.read_text())
    folder.summary.write_text(json.dumps({**content, "status": "diverged", "reason": "loss nan"}))
    seal(folder.path)

    assert shown(str(folder.path))["state"][1:] == ["loss nan"]


def test_a_running_run_is_told_from_one_whose_process_is_gone(folder):
    unfinish(folder, "running", step=50, total_steps=2000, heartbeat=time.time() - 7200)

    silent = shown(str(folder.path))
    assert silent["state"] == ["cut off, last active 2 h ago", "step 50 of 2,000"]
    assert silent["next"][0] == "bnexp train many.yaml"
    unfinish(folder, "running", step=50, total_steps=2000, heartbeat=time.time() - 3)
    with hold_lock(folder.lock, pytest.fail):
        alive = shown(str(folder.path))
        assert alive["state"][0].startswith("running, last active ")
        assert alive["state"][0].endswith(" s ago")
        assert "bnexp train" not in alive["next"][0]


def test_a_checkpoint_that_is_damaged_is_named(folder):
    unfinish(folder, "interrupted", step=7)
    for content in (b"one", b"two"):
        folder.checkpoints.save(content, b"{}")
    assert "problems" not in shown(str(folder.path))

    folder.checkpoints.previous.write_bytes(b"one bit more")

    reason = "is damaged: it does not match its SHA-256"
    assert shown(str(folder.path))["problems"] == [f"{folder.checkpoints.previous} {reason}"]


def test_what_is_damaged_is_named(folder):
    folder.environment.write_text("{")
    folder.summary.write_text("{}")

    text = shown(str(folder.path))

    assert text["state"][0].startswith("failed")
    assert text["problems"] == list(read_run(folder.path).problems)
    assert len(text["problems"]) == 2


def test_the_classes_are_listed_with_those_that_are_recognised_least_first(folder):
    add_predictions(folder.path, predictions := make_predictions())
    scores = sorted((one.accuracy, one.name) for one in predictions.confusion.classes)
    result = run(str(folder.path))
    content = json.loads(run(str(folder.path), "--json").stdout)

    assert ", ".join(f"{name} {100 * score:.1f} %" for score, name in scores) in result.stdout
    assert content["class_accuracies"] == {name: score for score, name in scores}
    assert content["balanced_accuracy"] == predictions.confusion.balanced_accuracy
    assert (load_runs(str(folder.path))[0].predictions().labels == predictions.labels).all()


def test_predictions_that_are_damaged_are_named(folder):
    add_predictions(folder.path, make_predictions())
    folder.predictions.write_bytes(b"")

    assert "predictions.npz is not what the run wrote" in " ".join(
        run(str(folder.path)).stdout.split()
    )
    assert json.loads(run(str(folder.path), "--json").stdout)["problems"]


def test_json_is_complete_and_alone_on_stdout(folder):
    unfinish(folder, "failed", reason="why")

    content = json.loads(run(str(folder.path), "--json").stdout)

    assert (content["state"], content["reason"], content["silent"]) == ("failed", "why", False)
    assert content["settings"] == {"model.norm.name": "batch", "optim.learning_rate": 0.001}
    assert content["config"]["train.seed"] == read_run(folder.path).config["train.seed"]
    assert set(content["files"]) == {"config.yaml", "environment.json", "status.json"}
    assert content["command"] == "bnexp train many.yaml"


def test_a_run_is_shown_without_the_heavy_libraries(folder):
    code = (
        "import sys; from bnexp.cli.app import main\n"
        f"sys.argv = ['bnexp', 'show', {str(folder.path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "assert not {'torch', 'torchvision', 'tensorboard', 'scipy'} & set(sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert f"many, {CELL}, seed 1" in done.stdout


def test_a_lock_that_nobody_holds_any_more_does_not_count(folder):
    unfinish(folder, "running", heartbeat=time.time() - 7200)
    folder.lock.touch()

    assert shown(str(folder.path))["state"] == ["cut off, last active 2 h ago"]
