"""What limits the figures of a comparison, or keeps a claim open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_OfRuns = Literal[
    "no result", "no figure", "diverged", "unfinished", "damaged", "copied", "changed data"
]
_OfCells = Literal[
    "few seeds", "unpaired", "confounded", "unchecked", "circumstances", "other layers"
]
_OfClaims = Literal[
    "wrong cells", "late claim", "unreadable claim", "unrecorded claim", "untrained", "at the edge"
]
_OfTests = Literal["untestable", "undecided", "skewed", "tuned", "close call"]
CaveatKind = Literal[_OfRuns, _OfCells, _OfClaims, _OfTests]
"""What a caveat is about: runs, cells, what a claim says, or the test of it."""


@dataclass(frozen=True)
class Caveat:
    """What limits the figures, or keeps a claim open, in parts that each format joins itself."""

    kind: CaveatKind
    subject: str
    """What was found, such as `2 runs failed`."""
    details: tuple[str, ...] = ()
    """The runs, cells or keys that it was found in."""
    consequence: str = ""
    """What follows from it, or what to do about it."""

    @property
    def text(self) -> str:
        """All of it in one line, without a full stop."""
        return ": ".join(filter(None, (self.subject, "; ".join(self.details), self.consequence)))
