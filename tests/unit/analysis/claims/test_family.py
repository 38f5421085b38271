"""Claims of several experiments are one family, also while some of them have no results."""

from dataclasses import replace

import pytest
from growing_runs import CLEAR, LOOKS, grow, pairs
from records import claim

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import assess_claims, find_attempts
from bnexp.analysis.claims.evidence import Evidence
from bnexp.analysis.claims.family import Group, conclude_together, decide
from bnexp.analysis.claims.looks import find_progress
from bnexp.analysis.claims.reach import describe_undecidable
from bnexp.config.claim.config import read_claim

THREE = CLEAR[:3]


def attempts_of(differences, looks=LOOKS, **changes):
    return tuple(
        find_attempts(group_cells(grow(pairs(differences), [claim(**changes)], looks=looks)))
    )


def p_of(attempts):
    """Returns the p that a claim's prediction is wrong, over all looks, not corrected."""
    return attempts[0].evidence_at(20).p_for


@pytest.mark.parametrize("others", [0, 1, 29])
def test_an_effect_is_corrected_for_claims_that_have_no_results_yet(others):
    records = grow(pairs(THREE), [claim()])
    p = p_of(attempts_of(THREE))
    (result,) = assess_claims(group_cells(records), others)

    assert result.p_holm == pytest.approx((1 + others) * p)


def test_a_claim_may_be_decided_alone_and_not_in_a_family_of_thirty():
    differences = [0.05, 0.07, 0.03]
    (attempt,) = attempts_of(differences, looks=(3,))
    assert 0.05 / 30 < p_of([attempt]) < 0.05

    (alone,), (among_thirty,) = decide([attempt]), decide([attempt], 29)
    assert (alone.verdict, among_thirty.verdict) == ("supported", "inconclusive")


def test_an_experiment_is_trained_on_until_its_family_has_its_verdict():
    records = grow(pairs([0.05, 0.055, 0.045]), [claim()], looks=(3, 20))

    assert (find_progress(records).decided, find_progress(records).needed) == (1, frozenset())
    assert find_progress(records, 29).needed == {"norm=none", "norm=batch"}


def test_experiments_together_are_judged_by_holms_method():
    strong, weak = attempts_of(CLEAR, looks=(6,)), attempts_of([0.05, 0.07, 0.03], looks=(3,))
    groups = [Group(strong, 1), Group(weak, 1), Group((), 1)]
    (first,), (second,), open_one = conclude_together(groups)

    assert first.p_holm == pytest.approx(3 * p_of(strong))
    assert second.p_holm == pytest.approx(2 * p_of(weak))
    assert open_one == ()


def with_ps(p_for, p_against, p_equivalence):
    """Returns the attempt of a claim whose only look has this evidence."""
    (attempt,) = attempts_of(THREE, looks=(3,))
    evidence = Evidence(p_for, p_against, p_equivalence)
    return (replace(attempt, looks=(replace(attempt.looks[0], evidence=evidence),)),)


def test_a_verdict_that_stood_while_the_others_were_open_is_not_taken_back():
    """Together, its p of equivalence would do as well, which alone it does not."""
    mine, other = with_ps(0.01, 1.0, 0.03), with_ps(1.0, 1.0, 0.001)
    (alone,), (together, _) = decide(mine, 1), decide([*mine, *other])
    assert (alone.verdict, together.verdict) == ("supported", "equivalent")

    (result,), _ = conclude_together([Group(mine, 1), Group(other, 1)])
    assert (result.verdict, result.p_holm) == ("supported", 0.02)


def test_seeds_that_decide_a_claim_alone_may_not_in_its_family():
    ceiling = {"name": "largest_stable", "over": "optim.learning_rate", "scale": "log10"}
    found = [read_claim(claim(metric="val/accuracy", reduction=ceiling))]
    seven = 2 * 0.5**7

    assert list(describe_undecidable(found, [7])) == []
    (warning,) = describe_undecidable(found, [7], others=9)
    assert f"and {10 * seven:.3g} after correction; 9 can" in warning
