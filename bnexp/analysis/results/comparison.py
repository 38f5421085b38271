"""What was asked of the runs, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnexp.analysis.results.caveat import Caveat
from bnexp.analysis.results.cell import CellResult
from bnexp.analysis.results.claim import ClaimResult
from bnexp.analysis.results.tuning import TunedCells
from bnexp.runs.measured.diagnostic_tags import LayerReduction

Choices = Mapping[str, tuple[str, ...]]
"""Keys, each with the values that runs were chosen by: a run has one of them."""


@dataclass(frozen=True)
class Question:
    """What is asked of the runs; the metric's unit is that of target and margin."""

    metric: str = "test/accuracy"
    baseline: str | None = None
    """A cell's name or a part of it; by default the first cell without a norm, else the first."""
    target: float | None = None
    """The value that epochs are counted to; by default the baseline's mean."""
    margin: float | None = None
    """The smallest difference that matters; with it, equivalence is tested too."""
    where: Choices = field(default_factory=dict)
    """Values that the runs were chosen by."""
    layers: LayerReduction | None = None
    """How a diagnostic's figures of several layers become one."""

    @property
    def tag(self) -> str:
        """The metric by the name that it has in summaries and reports."""
        return f"{self.metric}, {self.layers} over layers" if self.layers else self.metric


@dataclass(frozen=True)
class Comparison:
    """All cells of one or more experiments against one baseline cell, in sweep order."""

    experiment: str
    question: Question
    """What was asked; the other fields hold what came of it."""
    baseline: str
    target: float | None
    """The value that `epochs_to_target` counts to, in the metric's unit."""
    swept: tuple[str, ...]
    """Config keys that the experiments vary."""
    differing: tuple[str, ...]
    """Keys whose values differ between the cells at hand: those of `swept`, and up to three
    that tell several experiments apart."""
    cells: tuple[CellResult, ...]
    claims: tuple[ClaimResult, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    tunings: tuple[TunedCells, ...] = ()
    """How the values of tuned keys were chosen, if any were."""
    chance: float | None = None
    """The accuracy of a guess, one in so many classes; None if runs differ in their number."""
    where: Choices = field(default_factory=dict)
    """Values that all runs at hand share by choice: those of `question`, and that of `--by`."""

    @property
    def metric(self) -> str:
        """The tag that is compared."""
        return self.question.tag

    @property
    def margin(self) -> float | None:
        """The smallest difference that matters, if the reader named one; in the metric's unit."""
        return self.question.margin

    @property
    def baseline_cell(self) -> CellResult:
        """The cell that all others are compared with."""
        return next(cell for cell in self.cells if cell.cell == self.baseline)
