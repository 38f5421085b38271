"""What a comparison found: plain, frozen values that the reports show."""

from bnexp.analysis.results.caveat import Caveat, CaveatKind
from bnexp.analysis.results.cell import (
    CellResult,
    Difference,
    Divergence,
    EpochsToTarget,
    FirstRun,
    SpeedObstacle,
    Verdict,
)
from bnexp.analysis.results.claim import (
    Arrival,
    ClaimCell,
    ClaimLook,
    ClaimPart,
    ClaimResult,
    ClaimSide,
    ClaimStanding,
    ClaimTest,
    ClaimVerdict,
)
from bnexp.analysis.results.comparison import Choices, Comparison, Question
from bnexp.analysis.results.tuning import Trial, TunedCells, Tuning

__all__ = [
    "Arrival",
    "Caveat",
    "CaveatKind",
    "CellResult",
    "Choices",
    "ClaimCell",
    "ClaimLook",
    "ClaimPart",
    "ClaimResult",
    "ClaimSide",
    "ClaimStanding",
    "ClaimTest",
    "ClaimVerdict",
    "Comparison",
    "Difference",
    "Divergence",
    "EpochsToTarget",
    "FirstRun",
    "Question",
    "SpeedObstacle",
    "Trial",
    "TunedCells",
    "Tuning",
    "Verdict",
]
