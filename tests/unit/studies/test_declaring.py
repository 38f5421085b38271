"""Which claims are judged together is settled before any of them is trained."""

import pytest
from records import claim
from test_results_folder import set_up

from bnexp.errors import UsageError
from bnexp.studies.declaring import declare, find_family
from bnexp.studies.results_folder import ResultsFolder

ONE, OTHER = set_up(claim(), name="one"), set_up(claim(), claim(margin=0.3), name="other")


@pytest.fixture
def folder(tmp_path):
    return ResultsFolder(tmp_path / "results")


def test_the_first_command_declares_the_studies_that_it_names(folder):
    family = find_family(folder, [ONE, OTHER], "cpu")

    assert folder.read_family() == family
    assert (family.size, family.count_others("one"), family.count_others("other")) == (3, 2, 1)


def test_a_later_command_may_name_some_of_them(folder):
    family = find_family(folder, [ONE, OTHER], "cpu")

    assert find_family(folder, [OTHER], "cpu") == family


def test_a_study_that_was_not_declared_is_refused(folder):
    find_family(folder, [ONE], "cpu")

    with pytest.raises(UsageError, match=r"'other' is not among .* \(one\).*--declare"):
        find_family(folder, [OTHER], "cpu")


def test_claims_that_changed_are_refused_until_they_are_declared_anew(folder):
    find_family(folder, [ONE, OTHER], "cpu")
    changed = set_up(claim(margin=0.5), name="one")
    with pytest.raises(UsageError, match="the claims of 'one', or their seeds, have changed"):
        find_family(folder, [changed], "cpu")

    declare(folder, [changed, OTHER], "cpu")
    assert find_family(folder, [changed], "cpu").size == 3


def test_another_tier_is_refused(folder):
    find_family(folder, [ONE], "cpu")

    with pytest.raises(UsageError, match="about the tier cpu, not full"):
        find_family(folder, [ONE], "full")


def test_other_words_change_the_declared_ones_and_nothing_else(folder):
    before = find_family(folder, [ONE, OTHER], "cpu")
    after = find_family(folder, [set_up(claim(statement="so it is"), name="one")], "cpu")

    assert after == folder.read_family()
    assert after.studies[0].claims[0].statement == "so it is"
    assert (after.declared, after.studies[1:]) == (before.declared, before.studies[1:])


def test_a_study_cannot_have_the_name_of_the_declaration(folder):
    with pytest.raises(UsageError, match="cannot be called 'family'"):
        declare(folder, [set_up(claim(), name="family")], "cpu")
