"""Seeds are added stage by stage, as long as claims need them."""

import io
import json
import os
import shutil
import signal

import pytest
from rich.console import Console
from sweeps import CONFIG, read_runs

from bnexp.analysis.claims.looks import ClaimProgress
from bnexp.config.load import load_experiment
from bnexp.launch.options import LaunchOptions
from bnexp.launch.run import one_run
from bnexp.launch.stages import experiment as deciding
from bnexp.launch.stages.durations import describe_durations
from bnexp.launch.stages.experiment import train_stages
from bnexp.launch.stages.stages import find_stages, leave_out_unneeded, plan_experiment
from bnexp.runs import RunDir

TINY = CONFIG.replace("train_size: 200", "train_size: 40").replace(", checkpoint_every: 1", "")
"""Runs of two steps: what they come to does not matter here."""
SWEEP = """\
sweep: {seeds: {min: 3, max: 6}, grid: {model.norm.name: [none, batch, layer]}}
"""
CLAIM = """\
claim:
  statement: it helps
  source: nobody
  treatment: {model.norm.name: batch}
  control: {model.norm.name: none}
  metric: test/accuracy
  direction: higher
  margin: 0.01
"""
BOTH = ("norm=none", "norm=batch")


class Judge:
    """Decides the claim at a look; keeps which cells and seeds it has seen."""

    def __init__(self, decided_at=99):
        self._decided_at = decided_at
        self.seen = []

    def __call__(self, records):
        seeds = {record.seed for record in records}
        self.seen.append((len(seeds), {record.state for record in records if record.summary}))
        is_open = len(seeds) < self._decided_at
        return ClaimProgress(int(not is_open), 1, frozenset(BOTH if is_open else ()))


def train_in(folder, judge=None, config=TINY + SWEEP + CLAIM, force=False, **options):
    """Trains the config in a folder; returns the exit code and what was said."""
    folder.mkdir(exist_ok=True)
    (folder / "c.yaml").write_text(config)
    experiment = load_experiment(folder / "c.yaml")
    plan = plan_experiment(experiment, folder / "runs", force)
    stages = find_stages(plan, folder / "runs", judge or Judge())
    said = io.StringIO()
    console = Console(file=said, width=250)
    code = train_stages("many", stages, LaunchOptions(**options), console)
    return code, said.getvalue()


@pytest.fixture
def train(tmp_path):
    """Trains in the folder `a`; returns the exit code and what was said."""
    return lambda *arguments, **options: train_in(tmp_path / "a", *arguments, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder in which the claim was decided at five seeds, the judge, and what was said."""
    folder, judge = tmp_path_factory.mktemp("whole"), Judge(decided_at=5)
    code, said = train_in(folder, judge)
    assert code == 0, said
    return folder, judge, said


@pytest.fixture
def begin(whole, tmp_path):
    """Puts runs that are done into the folder `a`: those of the first seeds."""

    def begin(seeds):
        later = [f"seed={seed}" for seed in range(seeds, 6)]
        shutil.copytree(whole[0], tmp_path / "a", ignore=shutil.ignore_patterns(*later))

    return begin


def die(records):
    """A look that ends the process."""
    raise KeyboardInterrupt


def seeds_of(folder):
    """Returns how many seeds each cell has been trained with."""
    cells = [path for path in sorted((folder / "runs/many").iterdir()) if path.is_dir()]
    return {cell.name: len([*cell.glob("seed=*/summary.json")]) for cell in cells}


def test_cells_are_trained_until_no_claim_needs_them(whole):
    folder, judge, said = whole

    assert seeds_of(folder) == {"norm=batch": 5, "norm=layer": 3, "norm=none": 5}
    assert judge.seen == [(3, {"finished"}), (4, {"finished"}), (5, {"finished"})]
    undecided = "0 of 1 claim decided; training norm=none, norm=batch"
    assert [line for line in said.splitlines() if line.startswith("many: ")] == [
        f"many: look at 3 seeds: {undecided} on with seed 3",
        f"many: look at 4 seeds: {undecided} on with seed 4",
        "many: look at 5 seeds: every claim is decided; no more seeds are trained",
    ]


def test_every_run_records_the_planned_looks(whole):
    paths = [*whole[0].glob("runs/many/*/seed=*/environment.json")]

    assert len(paths) == 13
    for path in paths:
        assert json.loads(path.read_text())["planned"] == {
            "seeds": [0, 1, 2, 3, 4, 5],
            "cells": 3,
            "looks": [3, 4, 5, 6],
        }


def test_without_claims_all_seeds_are_one_stage(train, tmp_path):
    sweep = SWEEP.replace("max: 6", "max: 4").replace(", layer", "")
    code, said = train(config=TINY + sweep)

    assert code == 0
    assert set(seeds_of(tmp_path / "a").values()) == {4}
    assert "many: 2 cells × 4 seeds, 0 done, 8 to do" in said
    assert "look at" not in said


def test_the_same_command_goes_through_the_same_stages_again(begin, train, tmp_path):
    begin(5)
    before = read_runs(tmp_path / "a/runs")
    judge = Judge(decided_at=5)
    code, said = train(judge)

    assert (code, len(judge.seen)) == (0, 3)
    assert said.splitlines()[-1] == "many: 13 runs, all done already"
    assert read_runs(tmp_path / "a/runs") == before


def test_a_look_sees_no_seed_beyond_it(begin, train):
    begin(5)
    judge = Judge(decided_at=4)
    train(judge)

    assert [seeds for seeds, _ in judge.seen] == [3, 4]


@pytest.mark.parametrize("jobs", [None, 2])
def test_what_was_cut_off_between_stages_ends_with_the_same_runs(
    jobs, whole, train, tmp_path, monkeypatch
):
    monkeypatch.setattr(deciding, "has_computed_nothing", lambda: True)

    with pytest.raises(KeyboardInterrupt):
        train(die, jobs=jobs)
    assert set(seeds_of(tmp_path / "a").values()) == {3}
    train(Judge(decided_at=4), jobs=jobs)

    found, expected = read_runs(tmp_path / "a/runs"), read_runs(whole[0] / "runs")
    assert found == {path: expected[path] for path in expected if "seed=4" not in path}


def test_a_signal_between_stages_ends_the_command_and_nothing_is_lost(begin, train, tmp_path):
    def be_told_to_stop(records):
        os.kill(os.getpid(), signal.SIGTERM)
        return ClaimProgress(0, 1, frozenset(BOTH))

    begin(2)
    code, said = train(be_told_to_stop)

    assert code == 143
    assert "stopped; the same command continues with the remaining runs:" in said
    assert set(seeds_of(tmp_path / "a").values()) == {3}
    assert train(Judge(decided_at=4))[0] == 0
    assert seeds_of(tmp_path / "a")["norm=none"] == 4


def test_a_signal_within_a_stage_ends_the_command_before_the_look(
    begin, train, tmp_path, monkeypatch
):
    write_summary = RunDir.write_summary

    def write_it_and_be_told_to_stop(folder, *written):
        write_summary(folder, *written)
        os.kill(os.getpid(), signal.SIGINT)

    begin(2)
    judge = Judge(decided_at=3)
    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_summary", write_it_and_be_told_to_stop)
        code, _ = train(judge)

    assert (code, judge.seen) == (130, [])
    assert sum(seeds_of(tmp_path / "a").values()) == 3 * 2 + 1
    assert train(judge)[0] == 0
    assert set(seeds_of(tmp_path / "a").values()) == {3}


def test_no_look_is_taken_if_a_run_failed(begin, train, monkeypatch):
    judge, build = Judge(decided_at=3), one_run.build_parts

    def fail_once(config, *others):
        if config.train.seed == 2 and config.model.norm.name == "layer":
            raise OSError("no more room")
        return build(config, *others)

    begin(2)
    with monkeypatch.context() as patch:
        patch.setattr(one_run, "build_parts", fail_once)
        code, said = train(judge)

    assert (code, judge.seen) == (1, [])
    assert "the same command tries the failed runs again:" in said
    assert train(judge)[0] == 0
    assert judge.seen == [(3, {"finished"})]


def test_force_deletes_the_runs_of_all_looks_first(begin, train, tmp_path):
    begin(4)
    before = read_runs(tmp_path / "a/runs")

    with pytest.raises(KeyboardInterrupt):
        train(die, force=True)
    assert set(seeds_of(tmp_path / "a").values()) == {3}
    train(Judge(decided_at=4))

    assert read_runs(tmp_path / "a/runs") == before


def test_a_plan_names_the_runs_at_the_first_look_and_at_most(tmp_path):
    (tmp_path / "c.yaml").write_text(TINY + SWEEP + CLAIM)
    experiment = load_experiment(tmp_path / "c.yaml")
    lines = describe_durations(plan_experiment(experiment, tmp_path / "runs", is_forced=False))

    assert [line.partition(";")[0] for line in lines] == [
        "first look, at 3 seeds: 9 runs",
        "at most, with 6 seeds: 18 runs",
        "duration unknown: no run of the cell has finished on this machine",
    ]


@pytest.mark.parametrize(
    ("decided_at", "left", "said"),
    [
        (3, 0, ["look at 3 seeds: every claim is decided; no more seeds are trained"]),
        (
            5,
            6,
            [
                "look at 3 seeds: 0 of 1 claim decided; training norm=none, norm=batch on with "
                "seed 3",
            ],
        ),
    ],
)
def test_a_plan_leaves_out_runs_that_no_claim_needs_any_more(
    decided_at, left, said, begin, tmp_path
):
    begin(3)
    experiment = load_experiment(tmp_path / "a/c.yaml")
    before = plan_experiment(experiment, tmp_path / "a/runs", is_forced=False)
    plan, news = leave_out_unneeded(before, Judge(decided_at))

    to_do = [run.spec.cell for run in plan.runs if run.action != "skip"]
    assert news == said
    assert to_do == ["norm=none"] * (left // 2) + ["norm=batch"] * (left // 2)
    assert len(plan.runs) == 9 + left


def test_a_plan_before_any_look_holds_all_runs(tmp_path):
    (tmp_path / "c.yaml").write_text(TINY + SWEEP + CLAIM)
    experiment = load_experiment(tmp_path / "c.yaml")
    whole = plan_experiment(experiment, tmp_path / "runs", is_forced=False)

    assert leave_out_unneeded(whole, Judge(3)) == (whole, [])
