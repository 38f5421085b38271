"""What the tests of a claim show together: one pair of sides, or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.analysis.results import ClaimTest, ClaimVerdict
from bnexp.analysis.stats.intervals import holm
from bnexp.config.claim.config import ClaimConfig


@dataclass(frozen=True)
class Evidence:
    """One p-value for each verdict that a claim can have; 0.05 is enough for each."""

    p_for: float
    """That the prediction is wrong."""
    p_against: float
    """That the contrary of the prediction is wrong."""
    p_equivalence: float | None
    """That the difference is no smaller than the margin, if higher or lower is predicted."""

    def p_of(self, verdict: ClaimVerdict) -> float | None:
        """Returns the p that a verdict rests on."""
        if verdict == "equivalent":
            return self.p_equivalence
        return self.p_for if verdict == "supported" else self.p_against

    @classmethod
    def strongest(cls, evidence: Sequence[Evidence]) -> Evidence:
        """Returns the smallest p of each kind."""
        equivalences = [one.p_equivalence for one in evidence if one.p_equivalence is not None]
        return cls(
            p_for=min(one.p_for for one in evidence),
            p_against=min(one.p_against for one in evidence),
            p_equivalence=min(equivalences, default=None),
        )


def correct(evidence: Sequence[Evidence | None], others: int = 0) -> list[Evidence | None]:
    """Returns each claim's p-values, adjusted over all claims by Holm's method.

    The p-values for one verdict are one family, whatever the claims predict: of all claims, any
    is wrongly supported in at most 5 %, and likewise contradicted, and called equivalent. A claim
    that cannot be tested yet counts as not shown, and so do the `others`, of which nothing is
    known.
    """
    size = len(evidence) + others
    fors = holm([one.p_for if one else None for one in evidence], size)
    againsts = holm([one.p_against if one else None for one in evidence], size)
    equivalences = holm([one.p_equivalence if one else None for one in evidence], size)
    return [
        None if p_for is None or p_against is None else Evidence(p_for, p_against, equivalence)
        for p_for, p_against, equivalence in zip(fors, againsts, equivalences, strict=True)
    ]


def combine(claim: ClaimConfig, tests: Sequence[ClaimTest]) -> Evidence:
    """Returns the evidence of all pairs of sides together.

    That a prediction holds in at least N of m cases is shown by the partial conjunction of the
    cases' p-values. It is refuted if the contrary holds in more than m - N of them.
    """
    number = len(tests)
    at_least = number if claim.at_least is None else claim.at_least
    equivalences = [test.p_equivalence for test in tests if test.p_equivalence is not None]
    # Of a claim of equality, it is what speaks for it.
    is_asked = claim.direction in ("higher", "lower") and len(equivalences) == number
    return Evidence(
        p_for=partial_conjunction([test.p_for for test in tests], at_least),
        p_against=partial_conjunction([test.p_against for test in tests], number - at_least + 1),
        p_equivalence=partial_conjunction(equivalences, number) if is_asked else None,
    )


def partial_conjunction(ps: Sequence[float], at_least: int) -> float:
    """Returns the p that fewer than `at_least` of the hypotheses are false.

    Formula: min(1, (m - N + 1) · p(N)), which holds however the p-values depend on each
    other; with a shared control they do, which rules out Fisher's and Stouffer's combinations.

    Source: Benjamini & Heller 2008, Screening for partial conjunction hypotheses.
    """
    return min(1.0, (len(ps) - at_least + 1) * sorted(ps)[at_least - 1])
