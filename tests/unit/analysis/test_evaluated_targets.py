"""Times to a target are as fine as the evaluations of a run."""

import dataclasses

import pytest
from records import build_run

from bnexp.analysis.targets import epochs_to_target, find_budget
from bnexp.config.claim.config import ClaimConfig

STEPS = (30, 60, 90, 100, 120, 150, 180, 200)


def build(values, *, seed=0, steps=STEPS, per_epoch=100):
    """Returns a run of two epochs of 100 steps with these values at the evaluated steps."""
    history = [value for step, value in zip(steps, values, strict=True) if step % per_epoch == 0]
    run = build_run(seed=seed, value=values[-1], history=history)
    summary = dataclasses.replace(
        run.summary,
        steps_per_epoch=per_epoch,
        evaluated_steps=steps,
        evaluations={"test/accuracy": tuple(values)},
    )
    return dataclasses.replace(run, summary=summary)


RISING = (0.1, 0.2, 0.35, 0.4, 0.5, 0.55, 0.6, 0.6)


@pytest.mark.parametrize(
    ("target", "epochs"), [(0.1, 0.3), (0.3, 0.9), (0.4, 1), (0.5, 1.2), (0.6, 1.8)]
)
def test_epochs_to_a_target_are_fractions_if_evaluations_are_finer(target, epochs):
    found = epochs_to_target([build(RISING)], "test/accuracy", target)

    assert found.median == epochs
    assert found.median_steps == pytest.approx(100 * epochs)
    assert (found.reached, found.horizon) == (1, 2)


def test_a_target_that_no_evaluation_reaches_is_censored_at_the_last_epoch():
    found = epochs_to_target([build(RISING)], "test/accuracy", 0.7)

    assert (found.median, found.is_censored, found.reached) == (2, True, 0)


def test_a_target_that_is_reached_and_lost_within_an_epoch_counts():
    values = (0.1, 0.6, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2)

    assert epochs_to_target([build(values)], "test/accuracy", 0.5).median == 0.6


def test_runs_evaluated_after_epochs_alone_count_in_epochs():
    run = build_run(history=(0.3, 0.6, 0.7), value=0.7)

    assert epochs_to_target([run], "test/accuracy", 0.5).median == 2


def test_a_claim_counts_the_steps_of_the_evaluation_to_the_last_one():
    # 49 steps per epoch: 1 / 49 times 49 is not 1 in floating point.
    steps = (*range(1, 49), 49)
    values = [step / 100 for step in steps]
    run = build(values, steps=steps, per_epoch=49)
    claim = ClaimConfig(
        statement="s", source="s", treatment={"a": 1}, control={"a": 2},
        metric="steps_to_target", target=0.01, direction="lower", margin=5.0,
    )  # fmt: skip

    assert find_budget(claim, [run]).time_to_target(run) == 1
