"""Times to a target in claims, in epochs or steps, all runs given the same time to get there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.analysis.metrics import first_epoch, planned_epochs
from bnexp.config.claim.config import ClaimConfig
from bnexp.data.dataset import count_steps
from bnexp.runs.record import RunRecord

TARGET_METRIC = "test/accuracy"
"""What `epochs_to_target` and `steps_to_target` wait for."""


@dataclass(frozen=True)
class Budget:
    """The time that every run had: the smallest that any was to have, in epochs or steps."""

    horizon: float

    def has_reached(self, claim: ClaimConfig, run: RunRecord) -> bool:
        """Tells whether a run reached the claim's target within the budget."""
        when = _arrival(claim, run)
        return when is not None and when <= self.horizon


def find_budget(claim: ClaimConfig, runs: Sequence[RunRecord]) -> Budget:
    """Returns the budget that all runs share, 0 where it cannot be told."""
    lengths = [_in_unit(claim, run, _planned(run)) for run in runs]
    known = [length for length in lengths if length is not None]
    return Budget(min(known) if known and len(known) == len(lengths) else 0.0)


def time_to_target(claim: ClaimConfig, run: RunRecord, budget: Budget) -> float | None:
    """Returns when a run reached the target, or the budget where it did not.

    The mean of such times is a restricted mean. None where steps cannot be counted.
    """
    if run.summary is None or not budget.horizon:
        return None
    when = _arrival(claim, run)
    return budget.horizon if when is None else min(when, budget.horizon)


def steps_per_epoch(run: RunRecord) -> float | None:
    """Returns the optimiser steps of a whole epoch, or None where nothing tells them.

    A run that diverged was cut off in the middle of one, so its config has to tell.
    """
    if run.summary is not None and run.state == "finished" and run.summary.epochs:
        return run.summary.steps / run.summary.epochs
    images = run.config.get("data.train_size")
    total, held_out = run.environment.get("dataset.train_images"), run.config.get("data.val_size")
    if images is None and isinstance(total, int) and isinstance(held_out, int):
        images = total - held_out
    batch = run.config.get("data.batch_size")
    if not isinstance(images, int) or not isinstance(batch, int) or batch < 1:
        return None
    return float(count_steps(images, batch, bool(run.config.get("data.drop_last"))))


def _arrival(claim: ClaimConfig, run: RunRecord) -> float | None:
    if run.summary is None or claim.target is None:
        return None
    first = first_epoch(run.summary, TARGET_METRIC, claim.target)
    return None if first is None else _in_unit(claim, run, first)


def _planned(run: RunRecord) -> int:
    return 0 if run.summary is None else planned_epochs(run, run.summary)


def _in_unit(claim: ClaimConfig, run: RunRecord, epochs: int) -> float | None:
    if claim.metric == "epochs_to_target":
        return float(epochs)
    steps = steps_per_epoch(run)
    return None if steps is None else epochs * steps
