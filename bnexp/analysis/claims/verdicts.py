"""From intervals and p-values to the verdict on a claim: pure rules, on plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bnexp.analysis.results import ClaimVerdict

SIGNIFICANCE = 0.05
"""The adjusted p at or below which a test counts."""

POWER = 0.8
"""The chance of finding an effect of the margin that `seeds_needed` asks for."""

Direction = Literal["higher", "lower", "equal"]


@dataclass(frozen=True)
class Evidence:
    """A difference with its adjusted p-values, None where a test was not possible.

    `p` is of the test that the difference is 0; for a claim of equality, of the test that
    it is no larger than the margin.
    """

    mean: float
    p: float | None
    p_equivalence: float | None


def judge(evidence: Evidence, direction: Direction) -> ClaimVerdict:
    """Returns what the evidence says of a claim.

    Predicted higher or lower: *equivalent* where the difference is shown to lie within the
    margin, be it 0 or not; else *supported* or *contradicted* where it is shown not to be
    0, by its sign. Predicted equal: *supported* where it is shown to lie within the margin,
    *contradicted* where it is shown to lie beyond. All else is *inconclusive*: too little
    is known, which is not the same as no difference.
    """
    is_within = _holds(evidence.p_equivalence)
    is_apart = _holds(evidence.p)
    if direction == "equal":
        if is_within:
            return "supported"
        return "contradicted" if is_apart else "inconclusive"
    if is_within:
        return "equivalent"
    if not is_apart:
        return "inconclusive"
    return "supported" if (evidence.mean > 0) == (direction == "higher") else "contradicted"


def _holds(p: float | None) -> bool:
    return p is not None and p <= SIGNIFICANCE
