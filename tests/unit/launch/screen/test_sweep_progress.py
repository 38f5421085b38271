"""How far a sweep is, by hand-worked numbers."""

import pytest

from bnexp.launch.screen.events import EpochEnded, RunEnded, RunProgressed, RunStarted
from bnexp.launch.screen.progress import RunSize, SweepProgress, describe_accuracy


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def progress(clock):
    """Two runs of 100 steps of 10 images, two of 50 steps of 20; two at a time."""
    sizes = [RunSize("a", seed, 2, 100, 10) for seed in (0, 1)]
    sizes += [RunSize("b", seed, 2, 50, 20) for seed in (0, 1)]
    return SweepProgress(sizes, 2, lambda: clock[0])


def test_nothing_is_known_before_the_first_steps(progress):
    progress.take(RunStarted(0))
    assert progress.seconds_left() is None
    assert progress.to_do == 3


def test_the_time_left_counts_steps_of_known_cells_and_images_of_unknown_ones(progress, clock):
    progress.take(RunStarted(0))
    progress.take(RunProgressed(0, 1))
    clock[0] = 20.0
    progress.take(RunProgressed(0, 41))
    # 0.5 s a step of a: 59 and 100 left. A step of b has twice the images, so 1 s: 50 and 50.
    assert progress.seconds_left() == pytest.approx((159 * 0.5 + 100 * 1.0) / 2)
    (run,) = progress.running.values()
    assert progress.seconds_left(run) == pytest.approx(29.5)
    assert progress.speed(run) == pytest.approx(20)
    assert run.epoch == 1


def test_a_run_that_goes_on_is_judged_by_the_steps_it_does_here(progress, clock):
    progress.take(RunStarted(0))
    progress.take(RunProgressed(0, 81))
    clock[0] = 10.0
    progress.take(RunProgressed(0, 90))
    (run,) = progress.running.values()
    assert run.steps_here == 10
    assert progress.seconds_left(run) == pytest.approx(10 * 10 / 9)
    assert run.epoch == 2


def test_what_a_run_needs_to_start_is_not_taken_for_the_time_of_its_steps(progress, clock):
    progress.take(RunStarted(0))
    clock[0] = 30.0
    progress.take(RunProgressed(0, 1))
    clock[0] = 31.0
    progress.take(RunProgressed(0, 11))
    (run,) = progress.running.values()
    assert progress.speed(run) == pytest.approx(100)
    assert progress.seconds_left(run) == pytest.approx(8.9)


def test_an_ended_run_counts_with_all_its_steps_though_the_last_were_not_told(progress, clock):
    progress.take(RunStarted(0))
    progress.take(RunProgressed(0, 1))
    clock[0] = 100.0
    progress.take(RunEnded(0, "finished"))
    progress.take(RunStarted(1))
    (run,) = progress.running.values()
    assert progress.seconds_left(run) == pytest.approx(100)
    assert progress.done_share == pytest.approx(1 / 3)
    assert progress.ended["finished"] == 1


def test_the_accuracy_shown_is_that_of_validation_where_there_is_one(progress):
    progress.take(RunStarted(0))
    scalars = {"train/loss": 1.0, "train/accuracy": 0.9, "test/accuracy": 0.5}
    scalars["val/accuracy"] = 0.612
    progress.take(EpochEnded(0, 1, 2, scalars))
    assert describe_accuracy(progress.running[0].scalars) == "val 61.2 %"
