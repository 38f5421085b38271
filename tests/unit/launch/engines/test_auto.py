"""How many runs train at a time, and on how many threads each, if nobody says so."""

import os
import signal
from contextlib import closing

import pytest
import torch
from sweeps import plan

from bnexp.launch import pace as pacing
from bnexp.launch.engines import auto
from bnexp.launch.engines.auto import Split, choose_jobs, choose_split, list_splits
from bnexp.launch.engines.pool import Pool
from bnexp.launch.engines.processes import FreshProcesses
from bnexp.launch.pace import Pace, measure_pace

ALONE, PAIR, FOUR = Split(1, 4), Split(2, 2), Split(4, 1)
FREE = ("sweep.seeds=8", "train.threads=null")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch, tmp_path):
    """A machine with four cores, much memory, and nothing in its cache."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("BNEXP_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(auto, "DEFAULT_THREADS", 4)
    monkeypatch.setattr(auto, "count_cores", lambda: 4)
    monkeypatch.setattr(pacing.system, "read_available_memory", lambda: 2**40)
    monkeypatch.setattr(pacing.system, "read_memory_limit", lambda: None)


class Machine:
    """Gives a pace and the times of steps, and counts how often it is asked for each."""

    def __init__(self, step=1.0, times=None, device_bytes=0):
        self.pace = Pace(step, 0.0, 10, 0, process_bytes=2**30, device_bytes=device_bytes)
        self.times = times or {ALONE: 1.0, PAIR: 1.2, FOUR: 3.0}
        self.measured = self.tried = 0

    def measure(self, run):
        self.measured += 1
        return self.pace

    def time_steps(self, run, splits, whole):
        self.tried += 1
        self.whole = whole
        return {split: self.times[split] for split in splits} if self.times else {}

    def choose(self, runs, now=None, kept=None):
        return choose_jobs(runs, now or len(runs), kept, self.measure, self.time_steps)


def test_the_splits_are_powers_of_two_and_as_many_runs_as_possible():
    assert list_splits(6, 16) == [(1, 16), (2, 8), (4, 4), (6, 2)]
    assert list_splits(8, 8) == [(1, 8), (2, 4), (4, 2), (8, 1)]
    assert list_splits(2, 16, fixed=3) == [(1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [(8, PAIR), (2, PAIR), (3, PAIR), (1, ALONE)],
    ids=["many", "one round", "an odd number", "one"],
)
def test_the_split_is_chosen_under_which_all_runs_end_first(runs, chosen):
    assert choose_split({FOUR: 3.0, PAIR: 1.2, ALONE: 1.0}, runs) == chosen


def test_of_splits_that_are_equally_fast_the_first_is_chosen():
    assert choose_split({FOUR: 2.05, PAIR: 1.0}, 4) == FOUR
    assert choose_split({FOUR: 2.15, PAIR: 1.0}, 4) == PAIR


def test_a_new_experiment_gets_the_fastest_split_and_is_told_why(tmp_path):
    machine = Machine()
    choice = machine.choose(plan(tmp_path, *FREE))

    assert (choice.jobs, choice.threads, machine.tried) == (2, 2, 1)
    assert choice.slowdown == 1.2
    assert choice.reason == (
        "2 runs at a time with 2 threads each, 1.7 times as fast as one run at a time with 4 "
        "threads, as a few steps showed just now"
    )


def test_the_same_network_is_tried_once_and_gets_the_same_split_again(tmp_path):
    first, second, third = Machine(), Machine(times={ALONE: 1.0, PAIR: 3.0, FOUR: 9.0}), Machine()
    first.choose(plan(tmp_path / "a", *FREE))
    again = second.choose(plan(tmp_path / "b", *FREE, "name=other", "optim.learning_rate=0.3"))
    third.choose(plan(tmp_path / "c", *FREE, "data.batch_size=10"))

    assert (again.jobs, again.threads) == (2, 2)
    assert again.reason.endswith("as tried before on this machine")
    assert (first.tried, second.tried, third.tried) == (1, 0, 1)


def test_that_training_is_too_short_stays_so_though_it_is_slower_the_next_time(tmp_path):
    quick, slow = Machine(step=0.1), Machine(step=10.0)
    assert quick.choose(plan(tmp_path / "a", *FREE)).jobs == 1
    assert slow.choose(plan(tmp_path / "b", *FREE)).jobs == 1
    assert (quick.tried, slow.tried) == (0, 0)


@pytest.mark.parametrize("content", [b"", b"{", b'{"step": -1}', b'{"step": 1, "splits": [[1]]}'])
def test_a_damaged_file_of_the_cache_is_ignored_and_rewritten(content, tmp_path):
    runs = plan(tmp_path, *FREE)
    Machine().choose(runs)
    (path,) = (tmp_path / "cache/speeds").iterdir()
    whole = path.read_bytes()
    path.write_bytes(content)

    machine = Machine()

    assert machine.choose(runs).jobs == 2
    assert machine.tried == 1
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_the_next_trial(tmp_path):
    (tmp_path / "cache").touch()
    machine = Machine()
    assert [machine.choose(plan(tmp_path, *FREE)).jobs for _ in range(2)] == [2, 2]
    assert machine.tried == 2


@pytest.mark.parametrize(
    ("now", "settings", "measured"),
    [(1, (), 0), (8, ("train.compile=true",), 0), (8, ("train.epochs=1", "sweep.seeds=1"), 0)],
    ids=["one run is left", "compiled", "a single run"],
)
def test_nothing_is_tried_where_nothing_is_to_choose(now, settings, measured, tmp_path):
    machine = Machine()
    runs = plan(tmp_path, *FREE, *settings)
    choice = machine.choose(runs, min(now, len(runs)))
    assert (choice.jobs, choice.threads, choice.reason) == (1, None, None)
    assert (machine.tried, machine.measured) == (0, measured)


@pytest.mark.parametrize(("threads", "jobs"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_earlier_runs_decide_on_the_threads_and_later_ones_only_on_their_number(
    threads, jobs, tmp_path
):
    machine = Machine()
    choice = machine.choose(plan(tmp_path, *FREE), kept=threads)
    assert (choice.jobs, choice.threads or threads, machine.tried) == (jobs, threads, 0)


def test_a_short_rest_of_an_experiment_that_was_split_uses_all_cores_too(tmp_path):
    machine = Machine(step=0.1)
    choice = machine.choose(plan(tmp_path, *FREE), now=2, kept=1)

    assert (choice.jobs, choice.threads, machine.tried) == (2, 1, 0)


def test_a_thread_count_in_the_config_is_not_tried_out(tmp_path):
    machine = Machine()
    choice = machine.choose(plan(tmp_path, "sweep.seeds=8", "train.threads=2"))
    assert (choice.jobs, machine.tried) == (2, 0)
    assert choice.reason == "2 runs at a time with 2 threads each on 4 cores"


def test_as_many_runs_train_at_a_time_as_the_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(pacing.system, "read_memory_limit", lambda: 3 * 2**30)
    machine = Machine(times={ALONE: 1.0, PAIR: 1.9, Split(3, 1): 2.0})

    choice = machine.choose(plan(tmp_path, *FREE))

    assert (choice.jobs, choice.threads) == (3, 1)
    assert choice.reason.endswith("; the free memory holds 3 runs")
    monkeypatch.setattr(pacing.system, "read_available_memory", lambda: 2**30)
    alone = machine.choose(plan(tmp_path, *FREE))
    assert alone.reason == "one run at a time; the free memory holds 1 run"


def test_if_more_runs_cannot_be_tried_there_is_one(tmp_path):
    machine = Machine()
    machine.times = {}
    choice = machine.choose(plan(tmp_path, *FREE))
    assert (choice.jobs, choice.threads) == (1, None)
    assert choice.reason == "one run at a time, since more could not be tried"


def test_on_a_gpu_its_memory_and_the_trial_decide_on_the_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (6 * 2**30, 8 * 2**30))
    machine = Machine(device_bytes=3 * 2**29, times={ALONE: 1.0, PAIR: 1.5, Split(3, 1): 2.3})

    choice = machine.choose(plan(tmp_path, *FREE, "train.device=cuda"))

    assert (choice.jobs, machine.tried) == (2, 1)  # three are hardly faster, and take more memory
    assert choice.reason.endswith("; the free memory holds 3 runs")


@pytest.mark.parametrize(("step", "whole"), [(0.3, 0.96), (100.0, 3.0)])
def test_a_short_experiment_is_tried_out_for_a_short_time(tmp_path, step, whole):
    runs = plan(tmp_path, *FREE, "sweep.seeds=8", "train.epochs=1")
    machine = Machine(step=step)

    machine.choose(runs)

    assert len(runs) == 8  # of ten steps each
    assert machine.whole == pytest.approx(whole)


def test_a_few_steps_are_timed_in_workers_and_leave_nothing(tmp_path):
    (run,) = plan(tmp_path, "train.threads=null")
    splits = [Split(1, 1), Split(2, 1)]

    with closing(Pool(can_fork=True)) as pool:
        times = pool.time_steps(run, splits, 0.05)

    assert [*times] == splits
    assert all(0 < seconds < 60 for seconds in times.values())
    assert not run.folder.path.exists()


def test_a_worker_that_dies_while_steps_are_timed_ends_the_trial(tmp_path, monkeypatch):
    (run,) = plan(tmp_path)
    own = os.getpid()

    def die(*_, **__):
        assert os.getpid() != own
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(pacing.StepTimer, "time_step", die)
    with closing(Pool(can_fork=True)) as pool:
        assert pool.time_steps(run, [Split(2, 1)], 1.0) == {}


def test_if_the_server_of_forks_is_gone_workers_start_without_it(tmp_path, monkeypatch):
    started = []

    def start(processes, connection):
        started.append(connection)
        raise OSError

    monkeypatch.setattr(FreshProcesses, "start", start)
    (run,) = plan(tmp_path)
    with closing(Pool(can_fork=True)) as pool:
        os.kill(pool._processes._server, signal.SIGKILL)
        assert pool.time_steps(run, [Split(2, 1)], 1.0) == {}
    assert len(started) == 1


def test_a_run_that_cannot_work_ends_the_trial(tmp_path, monkeypatch):
    (run,) = plan(tmp_path)

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(pacing.StepTimer, "time_step", fail)
    with closing(Pool(can_fork=True)) as pool:
        assert pool.time_steps(run, [Split(2, 1)], 1.0) == {}
    assert measure_pace(run) is None


def test_the_pace_of_a_run_is_measured(tmp_path):
    (run,) = plan(tmp_path, "train.epochs=3", "evaluate.every_steps=4")

    pace = measure_pace(run)

    assert (pace.steps_per_epoch, pace.evaluated_images) == (10, 40)
    assert pace.process_bytes > 2**26
    steps, evaluations = 30, 9  # after each epoch, and after 4, 8, 12, …
    seconds = steps * pace.step_seconds + evaluations * 40 * pace.image_seconds
    assert pace.estimate_seconds(run) == pytest.approx(seconds)
