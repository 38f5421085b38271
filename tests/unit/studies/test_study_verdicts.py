"""Each claim of the studies can come out either way, with its seeds and in the family of all."""

from functools import cache

import pytest
from made_up_answers import answer, load_answered

from bnexp.analysis.cells import group_cells
from bnexp.analysis.claims.assess import find_attempts
from bnexp.analysis.claims.family import conclude
from bnexp.analysis.claims.reach import describe_undecidable
from bnexp.studies.catalogue import count_claims, list_studies

TIER = "cpu"
STUDIES = list_studies()
CLAIMS = [
    pytest.param(study, place, id=f"{study.name}-{place + 1}")
    for study in STUDIES
    for place in range(count_claims(study))
]


@cache
def count_all():
    return sum(map(count_claims, STUDIES))


def find_warnings(experiment):
    claims, seeds = experiment.runs[0].config.claim, {run.seed for run in experiment.runs}
    looks = experiment.looks or (len(seeds),)
    return [*describe_undecidable(claims, looks, count_all() - len(claims))]


@pytest.mark.parametrize("wanted", ["supported", "contradicted"])
@pytest.mark.parametrize(("study", "place"), CLAIMS)
def test_made_up_results_of_either_direction_give_the_matching_verdict(study, place, wanted):
    """Unless `plan` says that its seeds cannot contradict it, or chance is what it is compared to.

    What is no better than chance is equivalent to it: nothing is worse.
    """
    experiment = load_answered(study.path, TIER)
    own = experiment.runs[0].config.claim
    runs = answer(study.path, TIER, own[place], wanted)
    found = conclude([*find_attempts(group_cells(runs))], count_all() - len(own))

    assert [result.claim for result in found] == [*own]
    result, expected = found[place], wanted
    if wanted == "contradicted":
        warned = find_warnings(experiment)
        is_warned = any(f"contradict the claim '{own[place].statement}'" in one for one in warned)
        expected = "inconclusive" if is_warned else wanted
        expected = "equivalent" if own[place].control == 0.1 else expected
    why = result.obstacle and result.obstacle.text
    assert (result.verdict, result.standing) == (expected, "planned"), why


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_its_seeds_can_decide_each_claim_in_the_family_of_all(study):
    experiment = load_answered(study.path, TIER)

    assert not [one for one in find_warnings(experiment) if "cannot decide" in one]
