"""A report says of every declared claim what was found, over the whole family, in each format."""

import json
import re
from dataclasses import replace

import pytest
from growing_runs import CLEAR, UNCLEAR, grow, pairs
from records import claim
from test_results_folder import set_up

from bnexp.analysis.results import Caveat
from bnexp.reports.terminal import render
from bnexp.reports.words.claims import ClaimText
from bnexp.studies.declaring import declare
from bnexp.studies.report.build import build_report
from bnexp.studies.report.json import render_studies_json
from bnexp.studies.report.markdown import render_studies_markdown
from bnexp.studies.report.page import render_studies_html
from bnexp.studies.report.terminal import print_studies
from bnexp.studies.report.words import describe_command, find_common_limits, list_rows_of
from bnexp.studies.result import describe_result
from bnexp.studies.results_folder import ResultsFolder

PUBLISHED = {"treatment": 0.93, "control": 0.9, "where": "ResNet-110, table 2"}
CLAIMS = {
    "good": claim(statement="bn <b>wins</b>", source="Bjorck 2018", published=PUBLISHED),
    "vague": claim(statement="bn wins a little in 1,000,000 steps", margin=0.02),
    "late": claim(statement="bn loses", direction="lower"),
}


def build(folder, differences):
    """Stores results of the studies that have differences, and returns the report on all three."""
    setups = {name: set_up(one, name=name) for name, one in CLAIMS.items()}
    declare(folder, [*setups.values()], "cpu")
    for name, values in differences.items():
        records = grow(pairs(values), [CLAIMS[name]])
        folder.write_result(describe_result(setups[name], records, ()))
    return build_report(folder)


@pytest.fixture
def folder(tmp_path):
    return ResultsFolder(tmp_path / "results")


@pytest.fixture
def report(folder):
    return build(folder, {"good": CLEAR, "vague": UNCLEAR})


def test_each_claim_of_the_family_is_there_with_its_verdict(report):
    said = json.loads(render_studies_json(report))

    assert [study["study"] for study in said["studies"]] == ["good", "vague", "late"]
    assert [one["verdict"] for study in said["studies"] for one in study["claims"]] == [
        "supported",
        "inconclusive",
    ]
    assert said["studies"][2]["absence"] == "not run yet"
    assert said["verdicts"] == {"supported": 1, "inconclusive": 1, "not run yet": 1}
    assert said["family"] == {"studies": 3, "claims": 3}


def test_ps_are_corrected_over_the_whole_family(folder, report):
    (only,) = json.loads(render_studies_json(report))["studies"][0]["claims"]
    evidence = folder.read_result("good").attempts[0].looks[0].evidence

    assert only["p_holm"] == pytest.approx(3 * evidence.p_for)


def test_the_terminal_shows_all_of_it_in_eighty_columns(report):
    shown = render(lambda console: print_studies(console, report), 80)

    assert max(map(len, shown.splitlines())) <= 80
    assert "3 claims: 1 supported, 1 inconclusive, 1 not run yet." in shown
    words = " ".join(shown.split())
    for text in ("bn <b>wins</b>", "bn wins a little", "bn loses", "ResNet-110", "Bjorck 2018"):
        assert text in words
    assert "direction only" in words


def test_markdown_has_a_row_per_claim_and_a_section_per_study(report):
    text = render_studies_markdown(report)
    rows = [line for line in text.splitlines() if line.startswith("| 1 ")]

    assert len(rows) == 3
    assert "93.0 % against 90.0 % (direction only)" in rows[0]
    assert "Supported" in rows[0]
    assert "not run yet" in rows[2]
    assert text.count("\n### ") == 3
    assert "<b>" not in text


def test_a_page_shows_the_same_and_no_markup_of_others(folder, report):
    page = render_studies_html(report, folder)

    assert "&lt;b&gt;wins" in page
    assert "<b>wins" not in page
    assert page.count('<article class="claim ') == 2
    assert "1,<wbr>000" not in page
    assert page == render_studies_html(build_report(folder), folder)


def test_each_row_of_the_page_leads_to_its_study_and_its_claim(folder, report):
    page = render_studies_html(report, folder)

    targets = re.findall(r'href="#([^"]*)"', page)
    assert targets
    assert len(targets) == 2 * sum(len(part.declared.claims) for part in report.parts)
    assert {*targets} <= {*re.findall(r' id="([^"]*)"', page)}


def test_no_line_of_the_page_ends_between_a_figure_and_its_unit(folder, report):
    page = render_studies_html(report, folder)

    cells = re.findall(r'data-label="measured"><div>(.*?)</div>', page)
    assert any("%" in cell for cell in cells)
    assert not any(re.search(r"\d %", cell) for cell in cells)


def test_a_result_of_claims_that_were_declared_otherwise_since_counts_as_not_run(folder, report):
    setups = [set_up(CLAIMS["good"], name="good"), set_up(claim(margin=0.3), name="vague")]
    declare(folder, setups, "cpu")
    good, vague = build_report(folder).parts

    assert (good.absence, [one.verdict for one in good.claims]) == ("", ["supported"])
    assert vague.absence == "not run yet: what was run had other claims or seeds"
    assert vague.claims == ()


def test_a_table_does_not_say_how_many_seeds_an_open_claim_would_take(report):
    vague = report.parts[1]
    undecided = Caveat("undecided", "it is shown neither to be so nor not")
    claims = (replace(vague.claims[0], obstacle=undecided, seeds_needed=75),)
    (row,) = list_rows_of(replace(vague, claims=claims))

    assert row.verdict == "Inconclusive"
    assert "75 seeds" in " ".join(row.text.limits)


def test_what_all_verdicts_of_a_study_leave_open_is_said_once():
    def text(*limits):
        return ClaimText("Supported", "bn wins", "", (), limits=limits)

    texts = [text("other pictures", "tuned"), text("skewed", "other pictures")]

    assert find_common_limits(texts) == ["other pictures"]
    assert find_common_limits(texts[:1]) == []
    assert find_common_limits([]) == []


def test_results_that_were_known_when_the_family_was_declared_are_counted(report):
    assert report.results_before == 2, "made-up runs ended in 1970"


def test_the_command_names_the_file_of_ones_own_study(report):
    (part, *_) = (one for one in report.parts if one.result)
    own = replace(part.result, number=None, file="mine.yaml")

    assert describe_command(own).startswith("bnexp study mine.yaml --tier ")
