"""What the tests of a claim show together: one pair of sides, or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.analysis.results import ClaimTest, ClaimVerdict
from bnexp.config.claim.config import ClaimConfig


@dataclass(frozen=True)
class Evidence:
    """p-values of a claim, before the family of claims is known; 0.05 is enough for each."""

    p_for: float
    """That the prediction is wrong."""
    p_against: float
    """That the contrary of the prediction is wrong."""
    p_equivalence: float | None
    """That the difference is no smaller than the margin; None if that is not asked."""
    is_equality: bool = False
    """Whether equality is predicted, so that `p_for` is `p_equivalence`."""

    @property
    def deciding(self) -> float:
        """The p that counts in the family besides that of equivalence."""
        return self.p_against if self.is_equality else min(self.p_for, self.p_against)

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
            is_equality=evidence[-1].is_equality,
        )


def combine(claim: ClaimConfig, tests: Sequence[ClaimTest]) -> Evidence:
    """Returns the evidence of all pairs of sides together.

    That a prediction holds in at least N of m cases is shown by the partial conjunction of the
    cases' p-values. It is refuted if the contrary holds in more than m - N of them.
    """
    number = len(tests)
    at_least = number if claim.at_least is None else claim.at_least
    equivalences = [test.p_equivalence for test in tests if test.p_equivalence is not None]
    is_equality = claim.direction == "equal"
    return Evidence(
        p_for=partial_conjunction([test.p_for for test in tests], at_least),
        p_against=partial_conjunction([test.p_against for test in tests], number - at_least + 1),
        p_equivalence=partial_conjunction(equivalences, at_least if is_equality else number)
        if len(equivalences) == number
        else None,
        is_equality=is_equality,
    )


def partial_conjunction(ps: Sequence[float], at_least: int) -> float:
    """Returns the p that fewer than `at_least` of the hypotheses are false.

    Formula: min(1, (m - N + 1) · p(N)), which holds however the p-values depend on each
    other; with a shared control they do, which rules out Fisher's and Stouffer's combinations.

    Source: Benjamini & Heller 2008, Screening for partial conjunction hypotheses.
    """
    return min(1.0, (len(ps) - at_least + 1) * sorted(ps)[at_least - 1])
