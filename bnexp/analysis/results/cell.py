"""What the runs of a cell came to, and how that differs from the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bnexp.analysis.stats.intervals import DifferenceEstimate
from bnexp.runs.record import Scalar, Series, State

if TYPE_CHECKING:
    from bnexp.runs.measured.predictions import Predictions

Verdict = Literal[
    "better",
    "worse",
    "higher",
    "lower",
    "equivalent",
    "no clear difference",
    "identical",
    "confounded",
    "not tested",
]
"""`higher` and `lower` are for metrics of which neither direction is better; `equivalent` is for a
difference that is shown to lie within the margin that was asked for."""

SpeedObstacle = Literal["few runs", "other machine", "out of turn", "unsteady"]
"""Why the speed of a cell cannot be compared with the baseline's: too few finished runs, runs on
another machine, runs that did not take turns seed by seed, runs that differ among themselves."""


@dataclass(frozen=True, kw_only=True)
class Difference(DifferenceEstimate):
    """A cell's mean minus the baseline's, in the metric's unit."""

    p_holm: float | None
    """`p`, adjusted over all cells that are tested against the baseline and not confounded."""
    verdict: Verdict = "not tested"
    confounds: tuple[str, ...] = ()
    """Keys of config and environment that differ from the baseline's, though not swept."""
    unchecked: int = 0
    """Runs of the cell and the baseline whose config or environment cannot be read."""
    changed: tuple[str, ...] = ()
    """Swept keys whose value is not the baseline's: what the difference is due to."""
    p_equivalence: float | None = None
    """p of the two one-sided tests against the margin, adjusted by Holm; None without margin."""
    smallest_detectable: float | None = None
    """The true difference that runs as many and as spread as these find with 80 % power, at
    the strictest of Holm's steps; only if the verdict is `no clear difference`."""
    seeds_needed: int | None = None
    """Seeds per cell with which a true difference of the margin is found with 80 % power, at
    the strictest of Holm's steps; only if the verdict is `no clear difference` and there
    is a margin."""

    @property
    def is_confounded(self) -> bool:
        """Whether something else may explain the difference, so that no cause can be named."""
        return bool(self.confounds or self.unchecked)

    @property
    def is_asked(self) -> bool:
        """Whether the difference belongs to Holm's family.

        A cell that is identical to the baseline asks no question, and a confounded one gets
        no answer.
        """
        return not (self.is_zero or self.is_confounded)


@dataclass(frozen=True)
class EpochsToTarget:
    """The first epoch, counted from 1, at which runs reach the target.

    A run that never reaches it is censored: it counts as later than its last epoch,
    so `median` (Kaplan and Meier's) is a lower bound if `is_censored`. The
    restricted mean is the mean over the first `horizon` epochs, those that every run was
    to have; a run that needs longer counts as `horizon`.
    """

    median: float
    is_censored: bool
    reached: int
    n: int
    restricted_mean: float
    horizon: float
    steps_per_epoch: float | None
    """Optimiser steps of an epoch; None if the finished runs differ in it, or there are none."""

    @property
    def median_steps(self) -> float | None:
        """The median in optimiser steps."""
        return self.steps_per_epoch and self.median * self.steps_per_epoch

    @property
    def restricted_mean_steps(self) -> float | None:
        """The restricted mean in optimiser steps."""
        return self.steps_per_epoch and self.restricted_mean * self.steps_per_epoch


@dataclass(frozen=True)
class Divergence:
    """How often a cell's runs diverged, beside the baseline's: Fisher's exact test."""

    diverged: int
    n: int
    """Runs that ended: finished or diverged."""
    baseline_diverged: int
    baseline_n: int
    p: float
    p_holm: float
    """`p`, adjusted over all cells for which a run of either side diverged."""


@dataclass(frozen=True)
class FirstRun:
    """What the run with the lowest seed predicted, of those of a cell that finished.

    It stands for the cell, since choosing the best run would be choosing on the test images.
    """

    seed: int
    predictions: Predictions | None
    """None if it kept none, or if they cannot be read."""
    problem: str = ""
    """Why they cannot be read."""


@dataclass(frozen=True)
class CellResult:
    """One cell: its final values over the seeds, its cost, and its difference to the baseline.

    `values`, and all that is computed from them, cover finished runs only; `statuses`
    counts every run. `mean` is None without a finished run; `std` (over n - 1) and the
    95 % t interval are None below two.
    """

    cell: str
    settings: Mapping[str, Scalar]
    values: Mapping[int, float]
    mean: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    statuses: Mapping[State, int]
    difference: Difference | None = None
    epochs_to_target: EpochsToTarget | None = None
    train_test_gap: float | None = None
    """Mean of train accuracy (evaluation mode, no augmentation, final weights) minus test's."""
    images_per_second: float | None = None
    """Median training throughput of the finished runs."""
    elapsed_seconds: float | None = None
    """Median time of the finished runs."""
    speed_obstacle: SpeedObstacle | None = None
    """Why no ratio of speed or time to the baseline's is given; None for the baseline itself."""
    training_memory_bytes: float | None = None
    """Median of what a training step of the finished runs holds."""
    peak_memory_bytes: float | None = None
    """Median peak memory of the finished runs' processes, or of the device on CUDA."""
    parameters: int | None = None
    """Trainable numbers of the network; None if runs of the cell differ in it."""
    damaged: int = 0
    """Runs among the failed ones that ended, but whose summary cannot be read."""
    silent: int = 0
    """Runs among the running ones that have probably died."""
    divergence: Divergence | None = None
    """None for the baseline, and if no run of either diverged."""
    curves: Mapping[str, Mapping[int, tuple[float, ...]]] = field(default_factory=dict)
    """Values after each epoch, by seed, of finished and of diverged runs: those of the metric
    by its tag, and those of the accuracies and losses that belong to it."""
    diagnostics: Mapping[str, Mapping[int, Series]] = field(default_factory=dict)
    """What diagnostics measured, by tag and seed, in the finished runs, or in the diverged ones if
    none finished; empty unless it was asked for."""
    first_run: FirstRun | None = None
    """None if no run finished, or unless it was asked for."""

    @property
    def n(self) -> int:
        """The number of finished runs that `mean` stands on."""
        return len(self.values)

    @property
    def runs(self) -> int:
        """The number of runs in any state."""
        return sum(self.statuses.values())

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return self.statuses.get("diverged", 0)
