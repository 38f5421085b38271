"""Whatever stands in a summary.json, it is read whole or named as a problem of its run."""

import json
import shutil
from pathlib import Path

import pytest
from made_up_runs import make_runs, seal
from pydantic import TypeAdapter
from records import build_summary

from bnexp.locks import hold_lock
from bnexp.runs import RunDir
from bnexp.runs.reading import read_experiments, read_run
from bnexp.runs.record import Summary, find_contradiction, list_evaluated_steps

SUMMARY = build_summary(value=0.5, history=(0.25, 0.5))


@pytest.fixture
def run(tmp_path):
    folder = RunDir.of(tmp_path, {"experiment": "exp", "cell": "norm=batch", "seed": 3})
    folder.create("name: exp\n", {"platform": "Linux"})
    folder.write_summary(SUMMARY)
    return folder


def change(run, **values):
    content = json.loads(run.summary.read_text())
    run.summary.write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, "x") for key in ("epochs", "steps", "elapsed_seconds", "images_per_second")),
        *((key, "x") for key in ("peak_memory_bytes", "parameters", "final", "best", "history")),
        *((key, True) for key in ("epochs", "steps", "elapsed_seconds", "parameters")),
        *((key, None) for key in ("epochs", "steps", "elapsed_seconds", "images_per_second")),
        *((key, -1) for key in ("epochs", "steps", "elapsed_seconds", "images_per_second")),
        *((key, -1) for key in ("peak_memory_bytes", "parameters")),
        *((key, 1.5) for key in ("epochs", "steps", "peak_memory_bytes", "parameters")),
        ("elapsed_seconds", float("nan")),
        ("images_per_second", float("inf")),
        pytest.param("steps", 10**400, id="huge steps"),
        pytest.param("elapsed_seconds", 10**400, id="huge time"),
        ("reason", 7),
        ("reason", ["x"]),
        ("status", ["finished"]),
        ("final", {"test/accuracy": "0.5"}),
        ("history", {"test/accuracy": 0.5}),
        ("history", {"test/accuracy": "12"}),
    ],
)
def test_an_odd_value_is_a_problem_that_names_its_key(key, value, run):
    change(run, **{key: value})

    record = read_run(run.path)

    assert record.summary is None
    assert key in " ".join(record.problems)


def test_a_missing_key_is_a_problem_that_names_it(run):
    content = json.loads(run.summary.read_text())
    del content["steps"]
    run.summary.write_text(json.dumps(content))

    assert "steps" in " ".join(read_run(run.path).problems)


def test_a_sound_summary_is_read_as_it_was_written(run):
    record = read_run(run.path)

    assert (record.summary, record.problems) == (SUMMARY, ())


def test_whole_numbers_stand_for_a_time_and_a_speed_too(run):
    change(run, elapsed_seconds=2, images_per_second=0)
    seal(run.path)

    assert read_run(run.path).problems == ()


EVALUATED = {
    "steps_per_epoch": 100,
    "evaluated_steps": [60, 100, 120, 180, 200],
    "evaluations": {"test/accuracy": [0.1, 0.25, 0.3, 0.4, 0.5]},
}


def test_evaluations_within_epochs_are_read_as_they_were_written(run):
    change(run, **EVALUATED)
    seal(run.path)

    record = read_run(run.path)

    assert record.problems == ()
    assert record.summary.evaluated_steps == (60, 100, 120, 180, 200)
    assert record.summary.evaluations == {"test/accuracy": (0.1, 0.25, 0.3, 0.4, 0.5)}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"evaluations": {"test/accuracy": [0.1]}}, "has 1 values for 5 evaluations"),
        ({"evaluated_steps": [60, 120, 100, 180, 200]}, "not in the order of its steps"),
        ({"evaluated_steps": [60, 100, 120, 180, 201]}, "not in the order of its steps"),
        (
            {"evaluations": {"test/accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]}},
            "test/accuracy after epoch 1 is 0.25, but its evaluations say otherwise",
        ),
        ({"evaluated_steps": [-1, 100, 120, 180, 200]}, "evaluated_steps"),
        ({"evaluations": {"test/accuracy": "12345"}}, "evaluations"),
    ],
)
def test_evaluations_that_contradict_the_rest_are_a_problem(values, problem, run):
    change(run, **{**EVALUATED, **values})
    seal(run.path)

    assert problem in " ".join(read_run(run.path).problems)


def test_evaluations_that_the_config_does_not_ask_for_are_a_problem(run):
    summary = TypeAdapter(Summary).validate_json(
        json.dumps({**json.loads(run.summary.read_text()), **EVALUATED})
    )

    assert find_contradiction(summary, {"evaluate.every_steps": 60}) is None
    assert find_contradiction(summary, {"evaluate.every_steps": 50}) == (
        "it was evaluated after 5 steps, but the config asks for 4"
    )


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"data.train_size": 1000, "data.batch_size": 10}, 200),
        ({"data.train_size": 1001, "data.batch_size": 10}, 202),
        ({"data.train_size": 1001, "data.batch_size": 10, "data.drop_last": True}, 200),
        ({"data.train_size": None, "data.batch_size": 10}, None),
    ],
)
def test_steps_that_the_config_does_not_take_are_a_problem(config, steps):
    def summary(number):
        return Summary("finished", 2, number, 1.0, 1.0, 1, 1, final={}, best={}, history={})

    config = {"train.epochs": 2, **config}
    assert find_contradiction(summary(steps or 2), config) is None
    expected = steps and f"it has 2 steps, but its config takes {steps}"
    assert find_contradiction(summary(2), config) == expected


@pytest.mark.parametrize(
    ("every", "expected"),
    [(None, [6, 12]), (4, [4, 6, 8, 12]), (5, [5, 6, 10, 12]), (6, [6, 12]), (99, [6, 12])],
)
def test_the_steps_of_evaluations_are_those_of_the_interval_and_of_the_epochs(every, expected):
    assert list_evaluated_steps(every, steps_per_epoch=6, epochs=2) == expected


@pytest.mark.parametrize("content", ["", "{}", "[]", "{", '{"status": "finished"}'])
def test_a_run_whose_summary_is_no_summary_has_ended_but_is_damaged(content, run):
    run.summary.write_text(content)

    record = read_run(run.path)

    assert (record.state, record.is_damaged, len(record.problems)) == ("failed", True, 1)


def test_a_run_that_failed_is_not_damaged(run):
    run.summary.unlink()
    run.set_state("failed", reason="out of memory")

    record = read_run(run.path)

    assert (record.state, record.is_damaged) == ("failed", False)


def test_a_run_in_the_folder_of_another_seed_is_a_problem_that_names_both(run):
    copy = run.path.with_name("seed=4")
    shutil.copytree(run.path, copy)

    record = read_run(copy)

    (problem,) = record.problems
    assert record.seed == 3
    assert str(copy) in problem
    assert "seed=3" in problem


def test_a_run_in_the_folder_of_another_cell_is_a_problem(run):
    copy = run.path.parent.with_name("norm=none") / "seed=3"
    shutil.copytree(run.path, copy)

    (problem,) = read_run(copy).problems
    assert "norm=batch" in problem


def test_a_running_run_is_silent_unless_its_lock_is_held(run):
    run.summary.unlink()
    run.set_state("running")
    assert read_run(run.path).is_silent

    with hold_lock(run.lock, print):
        assert not read_run(run.path).is_silent


@pytest.mark.parametrize("place", ["", "..", "seed=3"])
def test_a_relative_path_makes_no_run_look_copied(place, run, monkeypatch):
    inside = run.path / "inside"
    inside.mkdir()
    monkeypatch.chdir({"": run.path, "..": inside, "seed=3": run.path.parent}[place])

    assert read_run(Path(place)).problems == ()


def test_thousands_of_runs_are_read_by_several_processes_as_by_one(tmp_path, monkeypatch):
    experiment = make_runs(tmp_path, cells=2, seeds=3)
    (experiment / "norm=none,learning_rate=0.001/seed=1/summary.json").write_text("{")
    alone = read_experiments(["many"], tmp_path)

    monkeypatch.setattr("bnexp.runs.reading._MANY", 1)
    monkeypatch.setattr("bnexp.system.count_usable_cores", lambda: 2)
    shared = read_experiments(["many"], tmp_path)

    assert shared == alone
    assert [run.state for run in shared].count("failed") == 1
