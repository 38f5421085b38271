"""Speeds are set against each other only if the runs took turns and agree among themselves."""

import pytest
from records import build_environment, build_run

from bnexp.analysis.comparison import compare_runs


def obstacle(order, speeds=(1000.0,) * 6, **environment):
    """Returns the obstacle between `a`, the baseline, and `b`, whose runs start in that order.

    Each takes 10 s, and the next starts a second later; `a0` is the run of `a` with seed 0.
    """
    runs = [
        build_run(
            f"norm={name[0]}",
            int(name[1:]),
            speed=speed,
            environment=build_environment(
                **start(place), **(environment if name[0] == "b" else {})
            ),
        )
        for place, (name, speed) in enumerate(zip(order.split(), speeds, strict=False))
    ]
    comparison = compare_runs(sorted(runs, key=lambda run: (run.cell, run.seed)))
    baseline, other = comparison.cells
    assert baseline.speed_obstacle is None
    return other.speed_obstacle


def start(place, seconds=11):
    minutes, rest = divmod(place * seconds, 60)
    return {"created": f"2026-01-01T00:{minutes:02}:{rest:02}.000+00:00"}


@pytest.mark.parametrize("order", ["a0 b0 a1 b1 a2 b2", "b0 a0 a1 b1 b2 a2", "a2 b2 a0 b0 a1 b1"])
def test_runs_that_took_turns_can_be_compared(order):
    assert obstacle(order) is None


@pytest.mark.parametrize(
    "order", ["a0 a1 a2 b0 b1 b2", "a0 b0 a1 a2 b1 b2", "a0 a1 b0 b1 a2 b2", "a0 b1 a2 b3"]
)
def test_runs_that_did_not_take_turns_cannot(order):
    assert obstacle(order) == "out of turn"


def test_runs_at_the_same_time_are_in_turn_in_whatever_order_they_start():
    order = ["a0", "a1", "b0", "b1"]
    runs = [
        build_run(f"norm={name[0]}", int(name[1:]), environment=build_environment(**start(at, 1)))
        for at, name in enumerate(order)
    ]
    assert compare_runs(runs).cells[1].speed_obstacle is None


def test_a_run_of_a_third_cell_comes_between_nothing():
    assert obstacle("a0 b0 a1 b1") is None
    runs = [
        build_run(f"norm={name[0]}", int(name[1:]), environment=build_environment(**start(place)))
        for place, name in enumerate(["a0", "c0", "b0", "a1", "c1", "b1"])
    ]
    assert [cell.speed_obstacle for cell in compare_runs(runs).cells] == [None] * 3


@pytest.mark.parametrize("created", [None, "yesterday", 3])
def test_runs_that_do_not_say_when_they_started_took_no_turns(created):
    runs = [
        build_run(f"norm={name}", seed, environment={"platform": "Linux", "created": created})
        for name in "ab"
        for seed in range(2)
    ]
    assert compare_runs(runs).cells[1].speed_obstacle == "out of turn"


@pytest.mark.parametrize("order", ["a0 b0", "a0 b0 a1", "a0 b0 b1"])
def test_one_run_of_either_is_too_few(order):
    assert obstacle(order) == "few runs"


@pytest.mark.parametrize("speeds", [(1000, 500, 1199, 500), (1000, 500, 1000, 599)])
def test_runs_that_differ_by_less_than_a_fifth_agree(speeds):
    assert obstacle("a0 b0 a1 b1", speeds) is None


@pytest.mark.parametrize("speeds", [(1000, 500, 1201, 500), (1000, 500, 1000, 601), (0, 5, 5, 5)])
def test_runs_of_a_cell_that_differ_by_more_than_a_fifth_give_no_ratio(speeds):
    assert obstacle("a0 b0 a1 b1", speeds) == "unsteady"


@pytest.mark.parametrize("difference", [{"threads": 2}, {"processor": "other"}])
def test_cells_trained_on_different_machines_cannot_be_compared(difference):
    assert obstacle("a0 b0 a1 b1", **difference) == "other machine"
