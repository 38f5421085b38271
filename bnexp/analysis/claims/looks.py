"""Which cells must be trained further, after a look at an experiment that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import decide, find_attempts
from bnexp.runs.record import RunRecord


@dataclass(frozen=True)
class ClaimProgress:
    """How far the claims of an experiment have come."""

    decided: int
    claims: int
    needed: frozenset[str]
    """The cells that a claim without a verdict is about."""


def find_progress(records: Sequence[RunRecord]) -> ClaimProgress:
    """Returns which claims of an experiment's runs are decided by the looks so far."""
    attempts = list(find_attempts(group_cells(records)))
    decisions = decide(attempts)
    needed = frozenset(
        run.cell
        for attempt, decision in zip(attempts, decisions, strict=True)
        if decision.verdict == "inconclusive"
        for sides in attempt.sides
        for cells in sides.values()
        for cell in cells
        for run in cell.runs
    )
    decided = sum(decision.verdict != "inconclusive" for decision in decisions)
    return ClaimProgress(decided, len(attempts), needed)
