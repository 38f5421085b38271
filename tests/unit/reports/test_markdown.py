import pytest
from claimed_runs import CLAIM, claimed_runs
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.reports.markdown import render_markdown


@pytest.fixture
def comparison():
    return compare_runs(
        [
            *build_cell("norm=none", [0.45, 0.46, 0.44]),
            *build_cell("norm=batch", [0.61, 0.63, 0.6]),
            build_run("norm=batch", 3, state="diverged"),
        ]
    )


def rows_of(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_every_row_has_as_many_fields_as_the_header(comparison):
    assert len({len(row) for row in rows_of(render_markdown(comparison))}) == 1


def test_the_table_names_each_verdict(comparison):
    header, _, none, batch = rows_of(render_markdown(comparison))
    column = header.index("verdict")
    assert (none[column], batch[column]) == ("–", "better")


def test_the_best_mean_is_bold(comparison):
    assert rows_of(render_markdown(comparison))[3][2] == "**61.3 ± 3.8 %**"


def test_lines_within_a_field_are_joined(comparison):
    assert rows_of(render_markdown(comparison))[3][-1] == "3 of 4 finished, 1 of 4 diverged"


def test_sentences_are_a_list_and_warnings_a_quote(comparison):
    text = render_markdown(comparison)
    assert "\n- norm=batch is better than norm=none" in text
    assert "\n> **Warning:** norm=batch: 1 of 4 runs diverged" in text


def test_names_that_look_like_markdown_are_escaped():
    records = [
        build_run("a", settings={"k": "a|b"}),
        build_run("b", settings={"k": "<img>*"}),
    ]
    text = render_markdown(compare_runs(records))
    assert r"a\|b" in text
    assert r"&#60;img>\*" in text


def test_claims_are_a_list_with_the_verdict_in_bold():
    text = render_markdown(compare_runs(claimed_runs()))
    assert "\n- **Supported:** batch norm is better\n  - 61.3 %" in text
    assert text.index("**Supported:**") < text.index("| norm |")


def test_a_claim_of_several_lines_stays_one_item():
    comparison = compare_runs(claimed_runs({**CLAIM, "statement": "batch norm\n# is | better"}))
    assert r"- **Supported:** batch norm # is \| better" in render_markdown(comparison)


def test_each_value_has_its_table_under_a_heading():
    cells = {"norm=none": [0.4, 0.41], "norm=batch": [0.5, 0.52]}
    records = [
        run
        for size in ("8", "32")
        for cell, values in cells.items()
        for run in build_cell(f"{cell},batch_size={size}", values)
    ]
    text = render_markdown(*compare_by(records, "batch_size"))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### study: test/accuracy after the last epoch",
        "#### batch_size = 8",
        "#### batch_size = 32",
    ]


def test_bold_is_called_no_verdict(comparison):
    assert "Bold: the best mean, which is not a verdict." in render_markdown(comparison)
