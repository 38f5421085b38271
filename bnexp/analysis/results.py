"""What a comparison found: plain, frozen values that the reports show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bnexp.runs.record import Scalar, State

Verdict = Literal[
    "better",
    "worse",
    "higher",
    "lower",
    "no clear difference",
    "identical",
    "confounded",
    "not tested",
]
"""`higher` and `lower` stand where nobody can say which of them is better."""


@dataclass(frozen=True)
class Difference:
    """A cell's mean minus the baseline's, in the metric's unit."""

    mean: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None
    """`p`, adjusted over all cells that are tested against the baseline."""
    verdict: Verdict
    is_paired: bool
    n: int
    """Pairs of seeds where paired, else the runs of both cells together."""
    by_seed: Mapping[int, float] = field(default_factory=dict)
    """The difference of each common seed; empty where the seeds don't pair."""
    confounds: tuple[str, ...] = ()
    """Keys of config and environment that differ from the baseline's, though not swept."""


@dataclass(frozen=True)
class EpochsToTarget:
    """The first epoch, counted from 1, at which runs reach the target.

    A run that never reaches it is censored: it counts as later than its last epoch,
    so `median` is a lower bound wherever `is_censored` holds.
    """

    median: float
    is_censored: bool
    reached: int
    n: int


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
    curves: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """The metric after each epoch, by seed, of finished and of diverged runs."""

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


@dataclass(frozen=True)
class Comparison:
    """All cells of one or more experiments against one baseline cell, in sweep order."""

    experiment: str
    metric: str
    baseline: str
    target: float | None
    """The value that `epochs_to_target` counts to, in the metric's unit."""
    swept: tuple[str, ...]
    """Config keys that the experiments vary."""
    differing: tuple[str, ...]
    """Keys whose values differ between the cells at hand: those of `swept`, and up to three
    that tell several experiments apart."""
    cells: tuple[CellResult, ...]
    claims: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def baseline_cell(self) -> CellResult:
        """The cell that all others are compared with."""
        return next(cell for cell in self.cells if cell.cell == self.baseline)
