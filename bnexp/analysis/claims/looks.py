"""Which cells must be trained further, after a look at an experiment that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import find_attempts
from bnexp.analysis.claims.family import decide
from bnexp.runs.record import RunRecord


@dataclass(frozen=True)
class ClaimProgress:
    """How far the claims of an experiment have come."""

    decided: int
    claims: int
    needed: frozenset[str]
    """The cells that a claim without a verdict is about."""


def find_progress(records: Sequence[RunRecord], others: int = 0) -> ClaimProgress:
    """Returns which claims of an experiment's runs are decided by the looks so far.

    `others` is how many claims of other experiments belong to their family; they count as not
    shown. A claim that was planned several times, with more seeds each time, is decided if any of
    its plans has decided it; only a plan with looks to come needs more runs.
    """
    attempts = list(find_attempts(group_cells(records)))
    judged = list(zip(attempts, decide(attempts, others), strict=True))
    claims = {attempt.claim.model_dump_json() for attempt in attempts}
    decided = {
        attempt.claim.model_dump_json()
        for attempt, decision in judged
        if decision.verdict != "inconclusive"
    }
    needed = frozenset(
        cell
        for attempt, decision in judged
        if decision.verdict == "inconclusive" and attempt.has_looks_to_come
        for cell in attempt.cells
    )
    return ClaimProgress(len(decided), len(claims), needed)
