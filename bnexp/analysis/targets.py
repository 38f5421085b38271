"""How long runs take to reach a target, in epochs or steps; some never get there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from bnexp.analysis.metrics import (
    better_direction,
    count_train_images,
    evaluated_values,
    final_value,
    known_values,
)
from bnexp.analysis.results import EpochsToTarget
from bnexp.analysis.stats.intervals import Interval
from bnexp.analysis.stats.survival import censored_median, restricted_mean
from bnexp.runs.record import RunRecord, Summary

if TYPE_CHECKING:
    from bnexp.config.claim.config import ClaimConfig

_CLAIMED_METRIC = "test/accuracy"
"""What the metrics `epochs_to_target` and `steps_to_target` of a claim wait for."""


def epochs_to_target(
    runs: Sequence[RunRecord], metric: str, target: float
) -> EpochsToTarget | None:
    """Returns the median first epoch at which the runs reach the target, censored ones included.

    Finished and diverged runs count; None if there are none, or if one finished and none has
    a history of the metric. A diverged run that never reached the target, even one that was
    never evaluated, is censored at the epochs that it was to run.
    """
    measured = [(run, run.summary) for run in runs if run.summary is not None]
    is_known = any(metric in summary.history for _, summary in measured)
    if not measured or not (is_known or all(run.state == "diverged" for run, _ in measured)):
        return None
    firsts = [_first_epoch(summary, metric, target) for _, summary in measured]
    budgets = [_planned_epochs(run, summary) for run, summary in measured]
    at_least = [
        budget if first is None else first for first, budget in zip(firsts, budgets, strict=True)
    ]
    reached = [first is not None for first in firsts]
    horizon = float(min(budgets))
    middle, is_censored = censored_median(at_least, reached)
    # A run that diverged within an epoch did fewer steps in it.
    whole = [summary for run, summary in measured if run.state == "finished" and summary.epochs]
    lengths = {summary.steps / summary.epochs for summary in whole}
    return EpochsToTarget(
        float(middle),
        is_censored,
        sum(reached),
        len(firsts),
        restricted_mean(at_least, reached, horizon),
        horizon,
        lengths.pop() if len(lengths) == 1 else None,
    )


@dataclass(frozen=True)
class Budget:
    """The time that all runs of a claim share, so that no side is given more of it."""

    claim: ClaimConfig
    horizon: float
    """The smallest time that any run was to have, in epochs or steps; 0 if unknown."""
    targets: Mapping[int, float]
    """What the runs of each seed are to reach."""

    def time_to_target(self, run: RunRecord) -> float | None:
        """Returns when a run reached the target, or the horizon if it did not.

        The mean of such times is a restricted mean. None if steps cannot be counted.
        """
        span = self.find_span(run)
        return None if span is None else min(span.high, self.horizon)

    def find_span(self, run: RunRecord) -> Interval | None:
        """Returns between which two evaluations a run reached the target.

        If it never did, that is after the horizon. None if steps cannot be counted.
        """
        if not self.horizon or run.seed not in self.targets:
            return None
        span = run.summary and _find_arrival(run.summary, _CLAIMED_METRIC, self.targets[run.seed])
        ends = [_in_unit(self.claim, run, epochs) for epochs in span or ()]
        if not ends or ends[1] is None or (ends[0] or 0.0) >= self.horizon:
            return Interval(self.horizon, inf)
        return Interval(ends[0] or 0.0, ends[1])

    def has_reached(self, run: RunRecord) -> bool:
        """Returns whether a run reached its target within the budget."""
        span = self.find_span(run)
        return span is not None and span.high <= self.horizon


def find_budget(
    claim: ClaimConfig, runs: Sequence[RunRecord], control: Sequence[RunRecord] = ()
) -> Budget:
    """Returns the budget that all runs share; `control` are those of the control among them."""
    planned = [_planned_epochs(run, run.summary) if run.summary else 0 for run in runs]
    lengths = [_in_unit(claim, run, epochs) for run, epochs in zip(runs, planned, strict=True)]
    known = [length for length in lengths if length is not None]
    horizon = min(known) if known and len(known) == len(lengths) else 0.0
    if claim.target == "control":
        finals = {run.seed: final_value(run, _CLAIMED_METRIC) for run in control}
        return Budget(claim, horizon, known_values(finals))
    return Budget(claim, horizon, dict.fromkeys((run.seed for run in runs), claim.target or 0.0))


def _first_epoch(summary: Summary, metric: str, target: float) -> float | None:
    """Returns the first evaluation that reaches the target, in epochs since the start."""
    span = _find_arrival(summary, metric, target)
    return span and span.high


def _find_arrival(summary: Summary, metric: str, target: float) -> Interval | None:
    """Returns the evaluation before the first that reaches the target, and that one, in epochs."""
    sign = better_direction(metric) or 1
    goal = sign * target
    before = 0.0
    for epoch, value in evaluated_values(summary, metric):
        if sign * value >= goal:
            return Interval(before, epoch)
        before = epoch
    return None


def _planned_epochs(run: RunRecord, summary: Summary) -> int:
    """Returns the epochs that the run had; of a diverged one, those that it was to have."""
    planned = run.config.get("train.epochs")
    if run.state == "diverged" and isinstance(planned, int):
        return max(summary.epochs, planned)
    return summary.epochs


def _in_unit(claim: ClaimConfig, run: RunRecord, epochs: float) -> float | None:
    if claim.metric == "epochs_to_target":
        return float(epochs)
    steps = _steps_per_epoch(run)
    # A step divided by the steps of an epoch, times those, may miss it by the last bit.
    return None if steps is None else round(epochs * steps, 6)


def _steps_per_epoch(run: RunRecord) -> float | None:
    """Returns the optimiser steps of a whole epoch, or None if they are unknown.

    A run that diverged was cut off in the middle of one, so they come from its config.
    """
    from bnexp.data.dataset import count_steps  # slow: the schema

    if run.summary is not None and run.summary.steps_per_epoch:
        return float(run.summary.steps_per_epoch)
    if run.summary is not None and run.state == "finished" and run.summary.epochs:
        return run.summary.steps / run.summary.epochs
    images, batch = count_train_images(run), run.config.get("data.batch_size")
    if images is None or not isinstance(batch, int) or batch < 1:
        return None
    return float(count_steps(images, batch, bool(run.config.get("data.drop_last"))))
