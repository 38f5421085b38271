"""Runs that train at once in one process, against the same runs one after the other."""

import json

import pytest
from sweeps import Listener, plan, read_runs, train

from bnexp.launch.screen.events import EpochEnded, RunEnded, RunStarted
from bnexp.training.learner import Learner

SEEDS = "sweep.seeds=4"


def seed_of(learner):
    return learner._config.train.seed


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What each of four seeds leaves that trained alone."""
    folder = tmp_path_factory.mktemp("alone")
    assert train(plan(folder, SEEDS, "train.epochs=2")) == {"finished": 4}
    return read_runs(folder / "runs")


def pack(folder, *overrides, listener=None, size=4):
    runs = plan(folder, SEEDS, "train.epochs=2", f"train.pack={size}", *overrides)
    return train([run for run in runs if run.action != "skip"], listener)


@pytest.mark.parametrize("size", [4, 3])
def test_each_run_ends_with_the_bits_that_it_has_alone(size, alone, tmp_path):
    listener = Listener()

    assert pack(tmp_path, listener=listener, size=size) == {"finished": 4}

    assert read_runs(tmp_path / "runs") == alone
    kinds = [type(event) for event in listener.events]
    together = 4 if size == 4 else 2  # two packs of equal size
    assert (
        kinds.index(RunEnded)
        > [i for i, kind in enumerate(kinds) if kind is RunStarted][together - 1]
    )


def test_a_run_says_how_many_trained_at_once(tmp_path):
    pack(tmp_path, size=3)

    files = [tmp_path / f"runs/many/base/seed={seed}/environment.json" for seed in range(4)]
    assert [json.loads(file.read_text())["pack"] for file in files] == [2, 2, 2, 2]


def test_one_that_diverges_leaves_the_others_alone(alone, tmp_path, monkeypatch):
    step = Learner.step

    def diverge(learner, number, batch, *others):
        if seed_of(learner) == 1 and number == 7:
            batch = batch[0] * float("nan"), batch[1]
        return step(learner, number, batch, *others)

    monkeypatch.setattr(Learner, "step", diverge)

    assert pack(tmp_path) == {"finished": 3, "diverged": 1}

    found = read_runs(tmp_path / "runs")
    assert found.pop("many/base/seed=1")["summary"]["steps"] == 7
    assert found == {name: run for name, run in alone.items() if name in found}


def test_one_that_fails_leaves_the_others_alone(alone, tmp_path, monkeypatch):
    step = Learner.step

    def fail(learner, number, batch, *others):
        if seed_of(learner) == 2 and number == 7:
            raise RuntimeError("broken")
        return step(learner, number, batch, *others)

    monkeypatch.setattr(Learner, "step", fail)

    assert pack(tmp_path) == {"finished": 3, "failed": 1}

    monkeypatch.undo()
    assert pack(tmp_path) == {"finished": 1}  # from its checkpoint, alone
    assert read_runs(tmp_path / "runs") == alone


def test_runs_that_are_stopped_are_saved_and_go_on_with_the_same_bits(alone, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("bnexp.launch.stop.StopSignal.is_set", lambda self: bool(asked))

    def stop(event):
        if isinstance(event, EpochEnded):
            asked.append(event)

    assert pack(tmp_path, listener=Listener(stop)) == {"interrupted": 4}

    asked.clear()
    assert pack(tmp_path) == {"finished": 4}
    assert read_runs(tmp_path / "runs") == alone


def test_the_first_failure_stops_the_pack_if_it_should(tmp_path, monkeypatch):
    step = Learner.step

    def fail(learner, number, batch, *others):
        if seed_of(learner) == 2 and number == 7:
            raise RuntimeError("broken")
        return step(learner, number, batch, *others)

    monkeypatch.setattr(Learner, "step", fail)
    runs = plan(tmp_path, SEEDS, "train.epochs=2", "train.pack=4")

    assert train(runs, is_failing_fast=True) == {"failed": 1, "interrupted": 3}


def test_a_pack_holds_the_seeds_of_one_cell(tmp_path):
    started = []

    def note(event):
        if isinstance(event, RunStarted):
            started.append(event.index)

    runs = plan(tmp_path, "sweep.seeds=2", "sweep.grid={model.norm.name: [none, batch]}",
                "train.pack=4")  # fmt: skip
    runs.sort(key=lambda run: run.spec.seed)  # as a sweep does

    assert train(runs, Listener(note)) == {"finished": 4}
    assert started == [0, 2, 1, 3]
