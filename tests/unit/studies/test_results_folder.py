"""What is stored of a study gives the verdicts that its runs give."""

import json
from dataclasses import replace

import pytest
from growing_runs import CLEAR, UNCLEAR, grow, pairs
from records import claim

from bnexp.analysis.claims.family import Group, conclude_together
from bnexp.analysis.comparison import compare_runs
from bnexp.config.claim.config import read_claim
from bnexp.errors import UsageError
from bnexp.files import digest, encode_json
from bnexp.studies.result import DeclaredClaim, Setup, describe_result, digest_claim
from bnexp.studies.results_folder import ResultsFolder

SEEDS = tuple(range(20))
LOOKS = (3, 4, 5, 6, 8, 10, 13, 16, 20)


def set_up(*claims, name="study"):
    """Returns what is known beforehand of a study with these claims."""
    configs = tuple(map(read_claim, claims))
    declared = tuple(
        DeclaredClaim(digest_claim(one, SEEDS, LOOKS), one.statement, one.source) for one in configs
    )
    return Setup(name, 1, "why", "", "cpu", "c" * 64, (), declared, configs, SEEDS, LOOKS)


def store(folder, records, *claims):
    result = describe_result(set_up(*claims), records, ())
    folder.write_result(result)
    return result


@pytest.fixture
def folder(tmp_path):
    return ResultsFolder(tmp_path / "results")


TWO = [claim(), claim(direction="lower", margin=0.02, statement="it is worse")]


@pytest.mark.parametrize("differences", [CLEAR, UNCLEAR, CLEAR[:2]])
def test_what_is_stored_gives_the_results_of_the_runs(folder, differences):
    records = grow(pairs(differences), TWO)
    store(folder, records, *TWO)
    read = folder.read_result("study")

    (found,) = conclude_together([Group(read.attempts, 2)])
    assert found == tuple(map(without_shown, compare_runs(records).claims))


def without_shown(result):
    """Returns the result without its cells, which only figures show."""
    parts = tuple(
        replace(
            part,
            treatment=replace(part.treatment, shown=()),
            control=replace(part.control, shown=()),
        )
        for part in result.parts
    )
    return replace(result, parts=parts)


def test_a_result_is_read_back_as_it_was_written_with_infinite_ends_too(folder):
    result = store(folder, grow(pairs(CLEAR), TWO), *TWO)
    (first, *others) = result.attempts
    (look, *more) = first.looks
    part = look.parts[0]
    late = replace(part, treatment=replace(part.treatment, spans={0: (3.0, float("inf"))}))
    first = replace(first, looks=(replace(look, parts=(late,)), *more))
    result = replace(result, attempts=(first, *others))
    folder.write_result(result)

    assert folder.read_result("study") == result


def test_there_may_be_no_result(folder):
    assert folder.read_result("study") is None
    assert folder.read_family() is None


def seal(content):
    """Seals a file's content again, as somebody might who edits both."""
    content.pop("sha256", None)
    return json.dumps({**content, "sha256": digest(encode_json(content))})


def damage(text):
    return text[: len(text) // 2]


def rename(text):
    return seal({**json.loads(text), "study": "other"})


def worse_p(text):
    content = json.loads(text)
    content["attempts"][0]["looks"][0]["evidence"]["p_for"] = -1
    return seal(content)


def without_looks(text):
    content = json.loads(text)
    content["attempts"][0]["looks"] = []
    return seal(content)


def better_p(text):
    content = json.loads(text)
    content["attempts"][0]["looks"][0]["evidence"]["p_for"] /= 100
    return json.dumps(content)


def without_seal(text):
    content = json.loads(text)
    del content["sha256"]
    return json.dumps(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damage, "Invalid JSON"),
        (lambda _: "[]", "object"),
        (lambda _: "{}", "format: Field required"),
        (rename, "it is about the study 'other'"),
        (worse_p, "a p-value of the claim 'batch norm is better' is not in [0, 1]"),
        (better_p, "its SHA-256 is not that of what it says"),
        (without_seal, "its SHA-256 is not that of what it says"),
        (without_looks, "the claim 'batch norm is better' has no look"),
    ],
)
def test_a_damaged_result_is_one_clear_error(folder, change, said):
    store(folder, grow(pairs(CLEAR), TWO), *TWO)
    path = folder.result("study")
    path.write_text(change(path.read_text()))

    with pytest.raises(UsageError) as error:
        folder.read_result("study")
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_claim_whose_words_changed_is_one_claim_with_its_present_words(folder):
    old, new = claim(statement="bn is better"), claim(statement="batch norm is better")
    records = [*grow(pairs(CLEAR[:2]), [old]), *grow(pairs(CLEAR), [new])[2:6]]
    result = describe_result(set_up(new), records, ())

    assert [attempt.claim.statement for attempt in result.attempts] == ["batch norm is better"]
