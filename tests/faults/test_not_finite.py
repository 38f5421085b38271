"""Row 7 of the fault matrix: a number that is not finite enters a run of a sweep."""

import io
import math
from dataclasses import replace

import pytest
import torch
from interrupted_runs import CONFIG
from rich.console import Console

from bnexp.config.load import load_experiment
from bnexp.launch.options import LaunchOptions
from bnexp.launch.plan import plan_runs
from bnexp.launch.stages.stages import Stage
from bnexp.launch.stages.sweep import SweepTrainer
from bnexp.runs import read_run
from bnexp.training import learner

STEPS_AN_EPOCH = 5
SPOILED = 7


def spoil_input(model, optimizer, batch, *others):
    inputs, targets = batch
    inputs = inputs.clone()
    inputs[0, 0, 3, 3] = math.nan
    return TRAIN_STEP(model, optimizer, (inputs, targets), *others)


def spoil_loss(model, optimizer, batch, *others):
    result = TRAIN_STEP(model, optimizer, batch, *others)
    return replace(result, loss=result.loss * math.inf)


def spoil_gradient(model, optimizer, batch, *others):
    hook = next(model.parameters()).register_hook(lambda grad: torch.full_like(grad, math.nan))
    result = TRAIN_STEP(model, optimizer, batch, *others)
    hook.remove()
    return result


def spoil_variance(model, optimizer, batch, *others):
    result = TRAIN_STEP(model, optimizer, batch, *others)
    variance = next(value for name, value in model.named_buffers() if name.endswith("running_var"))
    variance[0] = math.inf
    return result


TRAIN_STEP = learner.train_step


@pytest.mark.parametrize(
    ("spoil", "seen_at"),
    [
        (spoil_input, SPOILED),
        (spoil_loss, SPOILED),
        # It spoils the weights, which the next step's loss shows.
        (spoil_gradient, SPOILED + 1),
        # It makes every score of its channel constant, and is looked for before evaluation.
        (spoil_variance, 2 * STEPS_AN_EPOCH),
    ],
)
def test_row_07_what_is_not_finite_ends_its_run_as_diverged_there_and_no_other(
    spoil, seen_at, tmp_path, monkeypatch
):
    steps = 0

    def train_step(*arguments):
        nonlocal steps
        steps += 1
        return (spoil if steps == SPOILED else TRAIN_STEP)(*arguments)

    monkeypatch.setattr(learner, "train_step", train_step)
    # Its steps are no run's.
    monkeypatch.setattr("bnexp.launch.engines.launcher.measure_pace", lambda run: None)
    (tmp_path / "c.yaml").write_text(CONFIG)
    experiment = load_experiment(tmp_path / "c.yaml", ["sweep.seeds=2"])
    planned = plan_runs(experiment, tmp_path / "runs", is_forced=False)
    said = io.StringIO()

    with SweepTrainer(LaunchOptions(), Console(file=said, width=200)) as trainer:
        code = trainer.train(Stage("many", planned))

    assert code == 0, said.getvalue()
    spoiled, other = (read_run(run.folder.path) for run in planned)
    assert spoiled.state == "diverged"
    assert spoiled.summary.reason.endswith(f" step {seen_at}")
    assert spoiled.summary.best["epoch"] == 1
    assert spoiled.summary.final == {}
    assert other.state == "finished"
    assert other.summary.steps == 3 * STEPS_AN_EPOCH
    assert "1 diverged, 1 finished" in said.getvalue()
