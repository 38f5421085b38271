"""The record of claims: what stood before which result."""

import json

from bnexp.runs.claim_record import (
    FILE,
    ClaimRecord,
    note_claims,
    note_extended,
    note_result,
    read_record,
)

FIRST, SECOND = "1" * 64, "2" * 64


def test_a_claim_noted_before_a_result_stood_before_it(tmp_path):
    note_claims(tmp_path, ["early"], [FIRST, SECOND])
    note_result(tmp_path, FIRST, 1.0)
    note_claims(tmp_path, ["late"], [FIRST, SECOND])
    record = read_record(tmp_path)

    assert record.find_claims(FIRST, has_ended=True) == {"early"}
    assert record.find_claims(SECOND, has_ended=False) == {"early", "late"}


def test_no_claim_stands_before_the_results_that_a_run_goes_on_from(tmp_path):
    note_claims(tmp_path, ["early"], [FIRST])
    note_extended(tmp_path, [FIRST])
    note_extended(tmp_path, [FIRST])
    note_claims(tmp_path, ["late"], [FIRST])
    note_result(tmp_path, FIRST, 1.0)

    assert read_record(tmp_path).find_claims(FIRST, has_ended=True) == frozenset()
    assert (tmp_path / FILE).read_text().count("extended") == 1


def test_a_second_result_of_a_run_changes_nothing(tmp_path):
    note_claims(tmp_path, ["early"], [FIRST])
    note_result(tmp_path, FIRST, 1.0)
    note_claims(tmp_path, ["late"], [FIRST])
    note_result(tmp_path, FIRST, 1.0)

    assert read_record(tmp_path).find_claims(FIRST, has_ended=True) == {"early"}


def test_a_claim_about_other_runs_says_nothing_about_these(tmp_path):
    note_claims(tmp_path, ["claim"], [FIRST])
    note_result(tmp_path, SECOND, 1.0)

    assert read_record(tmp_path).find_claims(SECOND, has_ended=True) == frozenset()


def test_a_result_that_the_record_does_not_know_is_unknown(tmp_path):
    note_claims(tmp_path, ["claim"], [FIRST])

    assert read_record(tmp_path).find_claims(FIRST, has_ended=True) is None
    assert read_record(tmp_path / "elsewhere") == ClaimRecord()


def test_the_same_claims_are_noted_once(tmp_path):
    note_claims(tmp_path, ["claim"], [FIRST])
    before = (tmp_path / FILE).read_bytes()
    note_claims(tmp_path, ["claim"], [FIRST])
    note_claims(tmp_path, [], [SECOND])

    assert (tmp_path / FILE).read_bytes() == before


def test_half_a_line_of_a_killed_process_spoils_no_other(tmp_path):
    note_claims(tmp_path, ["early"], [FIRST])
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"claims": ["torn"], "ru')
    note_result(tmp_path, FIRST, 1.0)

    assert read_record(tmp_path).find_claims(FIRST, has_ended=True) == {"early"}


def test_junk_in_the_record_is_passed_over(tmp_path):
    junk = b'[1]\nnull\n{"result": 5}\n{"claims": "x", "runs": [1]}\n\xff\n' + b"[" * 100_000
    (tmp_path / FILE).write_bytes(junk + b"\n")
    note_claims(tmp_path, ["claim"], [FIRST])

    assert read_record(tmp_path).find_claims(FIRST, has_ended=False) == {"claim"}


def test_runs_that_overlapped_in_time_were_beside_others(tmp_path):
    spans = {
        "a": (0, 10),
        "b": (1, 3),
        "c": (10, 12),
        "d": (13, 15.5),
        "e": (15, 16),
        "f": (16, 17),
    }
    lines = [json.dumps({"result": run, "span": span}) for run, span in spans.items()]
    junk = ['{"result": "g", "span": "x"}', '{"result": "h", "span": [1]}', '{"result": "i"}']
    (tmp_path / FILE).write_text("\n".join([*lines, *junk]))
    record = read_record(tmp_path)

    assert [run for run in "abcdefghi" if record.was_beside_others(run)] == ["a", "b", "d", "e"]


def test_a_result_is_noted_with_the_time_that_it_took(tmp_path):
    note_result(tmp_path, FIRST, 100.0)
    assert not read_record(tmp_path).was_beside_others(FIRST)
    note_result(tmp_path, SECOND, 5.0)

    assert read_record(tmp_path).was_beside_others(FIRST)
    assert read_record(tmp_path).was_beside_others(SECOND)
