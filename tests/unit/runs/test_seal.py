"""A run that ended is sealed: what was changed afterwards is named, and does not count."""

import json
from hashlib import sha256

import pytest
from made_up_runs import make_run, seal
from typer import Typer
from typer.testing import CliRunner

from bnexp.cli.runs.check import check
from bnexp.locks import hold_lock
from bnexp.runs import RunDir, read_run
from bnexp.runs.inspection import inspect, repair
from bnexp.runs.seal import Seal, write_seal

ALTERED = "is not what the run wrote: its SHA-256 differs from that in manifest.json"


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "study/norm=batch/seed=0"
    make_run(path, {"model.norm.name": "batch"})
    (path / "config.yaml").write_text("name: study\n")
    RunDir(path).checkpoints.save(b"tensors", b"{}")
    seal(path)
    return path


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def texts(path):
    return [problem.text for problem in inspect(path)]


def test_a_run_as_it_ended_is_sound(run):
    assert (read_run(run).state, read_run(run).problems, [*Seal(run).find_broken()]) == (
        "finished", (), [],
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda summary: summary["final"].update({"test/accuracy": 0.9}),
        lambda summary: summary.update(epochs=3),
        lambda summary: summary.update(steps=1),
        lambda summary: summary.update(history={}),
        lambda summary: summary["history"]["test/accuracy"].pop(),
        lambda summary: summary.update(images_per_second=9e9),
    ],
    ids=["final", "epochs", "steps", "no history", "a short history", "speed"],
)
def test_an_edited_summary_does_not_count(change, run):
    edit(run / "summary.json", change)

    record = read_run(run)

    assert (record.state, record.summary, record.is_damaged) == ("failed", None, True)
    assert record.problems == (f"{run / 'summary.json'} {ALTERED}",)


def test_a_key_that_appears_twice_does_not_count(run):
    content = (run / "summary.json").read_text()
    (run / "summary.json").write_text(content.replace('"steps"', '"steps": 1, "steps"', 1))

    assert read_run(run).is_damaged


def test_edited_claims_do_not_count(run):
    edit(run / "environment.json", lambda found: found["config"].update(claim=[{"metric": "x"}]))

    assert read_run(run).problems == (f"{run / 'environment.json'} {ALTERED}",)
    assert read_run(run, with_config=False).problems == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", {"model.norm.name": "none"}), ("cell", "norm=none"), ("seed", 3),
        ("experiment", "other"), ("fingerprint", "0" * 64),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["status.json", "manifest.json"])
def test_a_run_that_is_given_out_as_another_does_not_count(name, key, value, run):
    def change(content):
        (content if name == "status.json" else content["identity"])[key] = value

    edit(run / name, change)

    record = read_run(run)

    assert (record.state, record.is_damaged) == ("failed", True)
    assert f"{run}: status.json and manifest.json differ in {key}" in record.problems


def test_a_run_that_lost_its_status_is_the_one_that_was_sealed(run):
    before = read_run(run)
    (run / "status.json").unlink()

    record = read_run(run)

    assert (record.state, record.settings, record.cell_index, record.fingerprint) == (
        "finished", before.settings, before.cell_index, before.fingerprint,
    )  # fmt: skip
    repair(run)
    assert read_run(run).problems == ()


@pytest.mark.parametrize("name", ["environment.json", "manifest.json"])
def test_a_run_that_lost_what_describes_it_does_not_count(name, run):
    (run / name).unlink()

    assert read_run(run).is_damaged
    assert "missing" in read_run(run).problems[0]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"sha256": {}}', '{"sha256": 3, "identity": {}}', "[" * 10**5]
)
def test_what_is_no_manifest_is_named(content, run):
    (run / "manifest.json").write_text(content)

    assert read_run(run).problems == (f"{run / 'manifest.json'} is not a manifest",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda summary: summary["final"].update({"test/loss": 0.1}),
            "the final test/loss is 0.1,",
        ),
        (
            lambda summary: summary["history"]["val/loss"].pop(),
            "val/loss has 1 values for 2 epochs",
        ),
        (lambda summary: summary.update(steps=7), "7 steps are no whole number"),
        (
            lambda summary: summary.update(
                epochs=1, history={tag: row[1:] for tag, row in summary["history"].items()}
            ),
            "it has 1 epochs, but the config asks for 2",
        ),
    ],
)
def test_a_summary_that_was_sealed_again_must_still_agree_with_itself(change, said, run):
    edit(run / "environment.json", lambda found: found["config"].update(train={"epochs": 2}))
    edit(run / "summary.json", change)
    seal(run)

    (problem,) = read_run(run).problems

    assert f"{run / 'summary.json'} contradicts itself: " in problem
    assert said in problem


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", "checkpoint.pt"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_check_names_every_sealed_file_that_changed(name, is_gone, run):
    (run / "metrics.jsonl").write_text("")
    seal(run)
    (run / name).write_bytes(b"{}")
    if is_gone:
        (run / name).unlink()

    said = " ".join(texts(run))

    assert f"{run / name} {'cannot be read' if is_gone else ALTERED}" in said
    assert read_run(run).problems == ()


def test_check_names_what_summary_and_checkpoint_disagree_about(run):
    history = {"test/loss": [0.25, 9.0], "val/loss": json.loads((run / "summary.json").read_text())[
        "history"]["val/loss"]}  # fmt: skip
    metadata = json.dumps({"progress": {"step": 200, "history": history}}).encode()
    RunDir(run).checkpoints.save(b"tensors", metadata)
    seal(run)

    assert texts(run) == [f"{run / 'summary.json'} and checkpoint.json disagree about test/loss"]


def test_check_names_evaluations_that_summary_and_checkpoint_disagree_about(run):
    summary = json.loads((run / "summary.json").read_text())
    epochs = summary["history"]["test/loss"]
    evaluations = {"test/loss": [9.0, *epochs[:1], 8.0, *epochs[1:]]}
    evaluated = {"evaluated_steps": [50, 100, 150, 200], "steps_per_epoch": 100}
    edit(
        run / "summary.json",
        lambda content: content.update(**evaluated, evaluations=evaluations),
    )
    for last, expected in ((8.0, []), (7.0, ["test/loss"])):
        values = {"test/loss": [9.0, *epochs[:1], last]}
        progress = {"step": 200, "history": {}, "evaluations": values}
        RunDir(run).checkpoints.save(b"tensors", json.dumps({"progress": progress}).encode())
        seal(run)

        assert [text.rpartition(" ")[2] for text in texts(run)] == expected


def test_check_names_final_figures_that_the_checkpoint_does_not_hold(run):
    final = json.loads((run / "summary.json").read_text())["final"]
    for changes, expected in (({}, []), ({"test/loss": 9.0}, ["test/loss"])):
        progress = {"step": 200, "history": {}, "final": {**final, **changes}}
        RunDir(run).checkpoints.save(b"tensors", json.dumps({"progress": progress}).encode())
        seal(run)

        assert [text.rpartition(" ")[2] for text in texts(run)] == expected


def test_repair_deletes_temporary_files_and_corrects_the_state_and_nothing_else(run):
    edit(run / "status.json", lambda status: status.update(state="running"))
    (run / ".summary.json.0123.tmp").write_text("half")
    (run / "log.txt").write_text("kept")
    assert len(texts(run)) == 2
    before = {path: path.read_bytes() for path in run.iterdir() if path.suffix != ".tmp"}

    repair(run)

    assert texts(run) == []
    after = {path: path.read_bytes() for path in run.iterdir() if not path.name.startswith(".lock")}
    assert {path for path in before if after.pop(path) != before[path]} == {run / "status.json"}
    assert after == {}
    assert json.loads((run / "status.json").read_text())["settings"] == {"model.norm.name": "batch"}


def test_a_run_that_is_being_trained_is_left_out(run):
    (run / "summary.json").write_text("{")
    with hold_lock(RunDir(run).lock, print):
        assert texts(run) == []


def test_the_command_prints_a_line_for_each_problem_and_fails(run, monkeypatch):
    monkeypatch.chdir(run.parents[2])
    app = Typer()
    app.command()(check)
    path = run.relative_to(run.parents[2])
    assert CliRunner().invoke(app, ["study", "--runs-dir", "."]).exit_code == 0
    (run / ".checkpoint.pt.00.tmp").write_text("")
    (run / "checkpoint.pt").write_text("other")

    result = CliRunner().invoke(app, ["study", "--runs-dir", ".", "--repair"])

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{path / 'checkpoint.pt'} {ALTERED}",
        f"{path / 'checkpoint.pt'} is damaged: it does not match its SHA-256",
    ]
    assert f"repaired: {path} holds 1 temporary file" in result.stderr
    assert result.stderr.endswith("1 run checked, 2 problems\n")


def test_what_was_altered_is_set_aside_when_the_run_continues_and_not_sealed_again(run):
    (run / "config.yaml").write_text("name: other\n")
    folder = RunDir(run, json.loads((run / "status.json").read_text()))

    folder.reopen()

    assert (run / "aside-1-config.yaml").read_text() == "name: other\n"
    assert not (run / "config.yaml").exists()
    assert not (run / "manifest.json").exists()
    assert (run / "environment.json").exists()


def test_a_seal_names_the_files_that_are_there(run):
    write_seal(run, {}, {"summary.json": sha256(b"{}").hexdigest()})

    sealed = json.loads((run / "manifest.json").read_text())["sha256"]

    assert set(sealed) == {
        "config.yaml", "environment.json", "checkpoint.pt", "checkpoint.json", "summary.json",
    }  # fmt: skip
