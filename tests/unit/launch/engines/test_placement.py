"""On how many threads and on which device a run trains."""

from contextlib import closing

import pytest
import torch
from interrupted_runs import interrupt, plan, train

from bnexp.launch.engines import auto, launcher, placement
from bnexp.launch.engines.auto import Choice, Split
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.placement import (
    choose_device,
    find_experiment_threads,
    give_threads,
    split_threads,
)
from bnexp.launch.engines.pool import Pool


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for module in (auto, launcher, placement):
        monkeypatch.setattr(module, "DEFAULT_THREADS", 8)


@pytest.mark.parametrize(("jobs", "threads"), [(1, None), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_the_cores_are_split_between_the_jobs(jobs, threads, eight_cores):
    assert split_threads(jobs) == threads


def test_a_count_in_the_environment_is_taken_as_it_is(eight_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert split_threads(4) is None


def test_a_run_that_goes_on_keeps_the_threads_that_it_was_begun_with(
    tmp_path, eight_cores, monkeypatch
):
    free = "train.threads=null"
    assert [run.threads for run in give_threads([plan(tmp_path, free)], 5)] == [5]

    run = interrupt(tmp_path, 3, free)

    assert run.action == "resume"
    assert [run.threads for run in give_threads([run], 5)] == [torch.get_num_threads()]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert [run.threads for run in give_threads([run], None)] == [None]


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_runs_added_to_an_experiment_get_the_threads_of_its_earlier_runs(
    jobs, tmp_path, eight_cores
):
    train(plan(tmp_path, "train.threads=1"))
    new = plan(tmp_path, "train.threads=null", "train.seed=1")
    local = LocalLauncher(jobs)

    placed = local.place([new], now=1)

    assert [run.threads for run in placed] == [1]
    said = "each run gets 1 thread, as the experiment's earlier runs had: the count changes the"
    assert [line.startswith(said) for line in local.explain(placed)] == [True]


def test_runs_that_are_to_be_deleted_decide_on_no_threads(tmp_path, eight_cores, monkeypatch):
    free = ("train.threads=null", "train.seed=1")
    assert find_experiment_threads([plan(tmp_path, *free)]) is None
    train(plan(tmp_path, "train.threads=3"))
    assert find_experiment_threads([plan(tmp_path, *free)]) == 3
    assert find_experiment_threads([plan(tmp_path, *free, is_forced=True)]) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert find_experiment_threads([plan(tmp_path, *free)]) is None


@pytest.mark.parametrize(
    ("device", "chosen"),
    [("cpu", [None] * 3), ("cuda:1", [None] * 3), ("cuda", ["cuda:0", "cuda:1", "cuda:0"])],
)
def test_gpus_are_dealt_out_in_turn_where_the_config_names_none(
    device, chosen, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    run = plan(tmp_path, f"train.device={device}")
    assert [choose_device(run, slot) for slot in range(3)] == chosen


def test_what_is_timed_before_training_is_said(tmp_path, monkeypatch):
    said = []

    def choose(runs, _now, _kept, _measure, time_steps):
        assert time_steps(runs[0], [Split(1, 8), Split(8, 1)], 1.0) == {}
        return Choice(1, None)

    monkeypatch.setattr(launcher, "choose_jobs", choose)
    monkeypatch.setattr(Pool, "time_steps", lambda *_: {})
    with closing(LocalLauncher(None, say=said.append)) as local:
        local.place([plan(tmp_path, "train.threads=null")], now=1)

    assert said == ["--jobs auto: timing a few steps of 1 or 8 runs at a time"]
