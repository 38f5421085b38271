"""A run's folder: what is written when, and what is read back when it is damaged."""

import json
import os
from pathlib import Path

import pytest
from records import build_summary

from bnexp.errors import UsageError
from bnexp.files import open_atomically, write_bytes_atomically
from bnexp.runs import MetricsLog, RunDir, read_experiments, read_run

IDENTITY = {
    "experiment": "exp",
    "cell": "norm=batch",
    "settings": {"model.norm.name": "batch"},
    "seed": 3,
    "fingerprint": "f" * 64,
    "cell_index": 1,
}
SUMMARY = build_summary(value=0.5, history=(0.25, 0.5))


@pytest.fixture
def run(tmp_path):
    run = RunDir.of(tmp_path, IDENTITY)
    run.create("name: exp\n", {"threads": 2, "config": {"train": {"epochs": 2}}})
    return run


def test_a_run_lies_below_experiment_and_cell(run, tmp_path):
    assert run.path == tmp_path / "exp" / "norm=batch" / "seed=3"


def test_a_created_run_is_pending_and_knows_what_it_is(run):
    record = read_run(run.path)

    assert (record.experiment, record.cell, record.seed, record.cell_index) == (
        "exp",
        "norm=batch",
        3,
        1,
    )
    assert record.state == "pending"
    assert record.settings == {"model.norm.name": "batch"}
    assert record.config == {"train.epochs": 2}
    assert record.environment == {"threads": 2}


def test_a_summary_is_read_back_as_it_was_written(run):
    run.write_summary(SUMMARY)

    record = read_run(run.path)
    assert (record.summary, record.state) == (SUMMARY, "finished")


def test_a_run_that_continues_or_starts_over_has_no_predictions_until_it_ends(run):
    for begin in (run.reopen, lambda: run.create("name: exp\n", {})):
        run.write_predictions(b"of an earlier end")
        begin()
        assert not run.predictions.exists()


def test_the_summary_alone_says_that_a_run_has_ended(run):
    run.set_state("running")
    run.write_summary(SUMMARY)
    run.set_state("running")

    assert read_run(run.path).state == "finished"


def test_a_status_of_finished_without_a_summary_is_a_failure_with_a_reason(run):
    run.set_state("finished")

    record = read_run(run.path)
    assert record.state == "failed"
    assert "there is no sound summary.json" in record.problems[0]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"status": "finished"}', '{"status": 3, "history": {}}', "\x00\x01", "null"],
)
def test_a_damaged_summary_is_a_problem_and_never_an_error(content, run):
    run.write_summary(SUMMARY)
    run.summary.write_text(content)

    record = read_run(run.path)
    assert record.summary is None
    assert record.state == "failed"
    assert record.problems


def test_wrong_kinds_inside_a_summary_are_a_problem(run):
    run.write_summary(SUMMARY)
    content = json.loads(run.summary.read_text())
    for damage in ({"final": [1]}, {"final": {"a": "x"}}, {"history": {"a": [None]}}, {"best": 3}):
        run.summary.write_text(json.dumps({**content, **damage}))
        assert read_run(run.path).summary is None, damage


def test_a_damaged_status_is_a_problem_and_the_folder_still_says_what_it_is(run):
    run.status.write_text("{broken")

    record = read_run(run.path)
    assert (record.experiment, record.cell, record.seed) == ("exp", "norm=batch", 3)
    assert record.problems


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cell_index", "x"),
        ("cell_index", None),
        ("cell_index", [1]),
        ("heartbeat", "x"),
        ("heartbeat", [1]),
        ("seed", {}),
        ("cell", 3),
        ("fingerprint", 7),
        ("settings", "x"),
        ("state", ["running"]),
    ],
)
def test_an_odd_value_in_a_status_is_a_problem_and_never_an_error(key, value, run, tmp_path):
    content = json.loads(run.status.read_text())
    run.status.write_text(json.dumps({**content, key: value}))

    (record,) = read_experiments(["exp"], tmp_path)
    assert record.problems or key == "state"


def test_a_number_too_large_and_a_tree_too_deep_are_problems(run):
    run.write_summary(SUMMARY)
    content = run.summary.read_text()
    run.summary.write_text(content.replace("0.25", "1" + "0" * 400))
    run.environment.write_text('{"a":' * 900 + "1" + "}" * 900)

    record = read_run(run.path)
    assert record.summary is None
    assert len(record.problems) >= 1


def test_a_finished_run_that_lost_its_status_is_still_listed(run, tmp_path):
    run.write_summary(SUMMARY)
    run.status.unlink()

    (record,) = read_experiments(["exp"], tmp_path)
    assert (record.state, record.seed) == ("finished", 3)
    assert "status.json is missing" in record.problems[0]


@pytest.mark.parametrize("target", ["x" * 300, "a\0b", "../" * 2000])
def test_a_name_that_no_folder_can_have_is_refused(target, tmp_path):
    with pytest.raises(UsageError, match="no runs of"):
        read_experiments([target], tmp_path)


def test_creating_again_removes_what_an_earlier_attempt_left(run):
    run.metrics.write_text("{}\n")
    run.checkpoints.save(b"weights", b"{}")
    run.checkpoints.save(b"later weights", b"{}")
    run.say("what was said")
    run.write_summary(SUMMARY)
    (run.path / "events.out.tfevents.1.host.2").write_text("x")
    (run.path / "notes.md").write_text("the user's own")

    run.create("name: exp\n", {})

    left = ["config.yaml", "environment.json", "log.txt", "notes.md", "status.json"]
    assert sorted(path.name for path in run.path.iterdir()) == left
    assert run.log.read_text().endswith("what was said\n")

    run.start_over()

    assert sorted(path.name for path in run.path.iterdir()) == ["notes.md", "status.json"]
    assert read_run(run.path).state == "pending"


def test_a_run_whose_folder_may_not_be_seen_is_taken_for_begun(run, monkeypatch):
    run.status.unlink()

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    assert run.is_begun


def test_a_metrics_row_with_a_value_that_is_no_number_stays_json(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.write(5, 1, 2.0, {"train/loss": float("nan"), "train/accuracy": 0.5})
    log.close()

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "step": 5,
        "epoch": 1,
        "elapsed_seconds": 2.0,
        "train/loss": None,
        "train/accuracy": 0.5,
    }


def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with open_atomically(path) as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_atomic_write_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes_atomically(tmp_path / "file.txt", b"x")
    finally:
        os.umask(before)

    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o640


def test_runs_come_in_the_order_in_which_they_were_planned(tmp_path):
    for index, cell in enumerate(["norm=none", "norm=batch"]):
        for seed in (10, 2):
            run = {"cell": cell, "seed": seed, "cell_index": index}
            RunDir.of(tmp_path, {**IDENTITY, **run}).create("", {})

    records = read_experiments(["exp"], tmp_path)

    assert [(record.cell, record.seed) for record in records] == [
        ("norm=none", 2),
        ("norm=none", 10),
        ("norm=batch", 2),
        ("norm=batch", 10),
    ]


def test_an_experiment_is_found_by_name_by_path_and_by_the_path_of_a_cell_or_run(run, tmp_path):
    for target in ("exp", str(tmp_path / "exp"), str(run.path.parent), str(run.path)):
        assert len(read_experiments([target], tmp_path)) == 1


def test_an_unknown_experiment_is_refused_with_the_nearest_name(run, tmp_path):
    with pytest.raises(UsageError, match=r"no runs of 'exq' in .* \(did you mean 'exp'\?\)"):
        read_experiments(["exq"], tmp_path)
