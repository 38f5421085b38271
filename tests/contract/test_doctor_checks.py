"""Every check of the doctor flags what is sick, leaves a sound twin alone, and explains itself."""

import pytest
from doctor_cases import CASES

from bnexp.doctor.registry import find_checks

CHECKS = {check.name: check for check in find_checks()}


def find_wrong(name, kind, subject):
    given = subject() if callable(subject) else subject
    return [found for found in CHECKS[name].examine(kind, given) if found.is_wrong]


def test_every_check_has_a_sick_case_and_a_sound_one():
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize("name", CASES)
def test_what_is_sick_is_flagged_with_evidence_cause_and_fix(name):
    kind, sick, _ = CASES[name]

    found = find_wrong(name, kind, sick)

    assert found
    for one in found:
        assert one.check == name
        assert one.what
        assert one.evidence
        assert one.cause
        assert one.fix


@pytest.mark.parametrize("name", CASES)
def test_the_sound_twin_is_left_alone(name):
    kind, _, sound = CASES[name]

    assert find_wrong(name, kind, sound) == []


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_check_says_what_it_looks_for_why_it_happens_and_what_to_do(check):
    for text in (check.problem, check.cause, check.fix):
        assert text
        assert not text.endswith(".")
    assert check.functions
