import io
import re

import pytest
from claimed_runs import CLAIM, claimed_runs
from records import build_cell, build_run
from rich.console import Console

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import Question
from bnexp.console import open_console
from bnexp.reports.terminal import print_report, render_text

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]


@pytest.fixture
def comparison():
    return compare_runs(
        [
            *build_cell("norm=none", NONE),
            *build_cell("norm=batch", BATCH),
            *(build_run("norm=batch", seed, 0.1, state="diverged") for seed in (3, 4)),
        ]
    )


def words_of(text):
    return set(text.replace("─", " ").split())


def render(comparison, **console):
    console = Console(file=io.StringIO(), width=100, highlight=False, **console)
    print_report(console, comparison)
    return console.file.getvalue()


def test_a_row_has_mean_difference_and_counts(comparison):
    text = render_text(comparison, width=120)
    row = next(line for line in text.splitlines() if line.startswith("batch"))
    assert "61.3 ± 3.8 %" in row
    assert "+16.3 [14.9, 17.8]" in row
    assert row.endswith("3 of 5 finished")


def test_diverged_runs_stand_in_the_row(comparison):
    assert "2 of 5 diverged" in render_text(comparison)


def test_the_baseline_is_marked(comparison):
    row = next(line for line in render_text(comparison).splitlines() if line.startswith("none"))
    assert "baseline" in row


@pytest.mark.parametrize("width", [100, 80, 60])
def test_lines_fit_the_width(comparison, width):
    assert max(map(len, render_text(comparison, width=width).splitlines())) <= width


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_table_loses_nothing(comparison, width):
    assert words_of(render_text(comparison, width=width)) == words_of(
        render_text(comparison, width=100)
    )


def test_a_very_narrow_table_is_folded_and_not_cut(comparison):
    assert "…" not in render_text(comparison, width=30)


def test_long_names_are_folded_before_numbers():
    records = build_cell("norm=" + "x" * 70, BATCH)
    assert "61.3 ± 3.8 %" in render_text(compare_runs(records), width=80)


def test_settings_with_brackets_are_not_taken_for_markup():
    records = [build_run("a", settings={"k": "[red]"}), build_run("b", settings={"k": "[/x]"})]
    assert "[red]" in render_text(compare_runs(records))


def test_the_best_mean_is_bold_on_a_terminal(comparison):
    text = render(comparison, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1m *61\.3 ± 3\.8 %", text)


def test_the_lowest_loss_is_the_best():
    records = [
        *build_cell("norm=none", [1.5, 1.6], metric="test/loss"),
        *build_cell("norm=batch", [1.1, 1.3], metric="test/loss"),
    ]
    text = render(
        compare_runs(records, Question("test/loss")),
        force_terminal=True,
        color_system="standard",
    )
    assert re.search(r"\x1b\[1m *1\.200", text)
    assert not re.search(r"\x1b\[1m *1\.550", text)


def test_plain_text_has_no_escape_codes(comparison):
    assert "\x1b" not in render_text(comparison)


def test_no_color_is_respected(comparison, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in render(comparison, force_terminal=True)


def test_without_a_terminal_lines_are_100_wide(monkeypatch):
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert open_console().width == 100


def test_warnings_stand_below_the_table(comparison):
    assert "warning: norm=batch: 2 of 5 runs diverged" in render_text(comparison)


def test_one_seed_has_a_mean_without_an_interval():
    text = render_text(compare_runs([build_run(value=0.5)]))
    row = next(line for line in text.splitlines() if line.startswith("norm=none"))
    assert "50.0 %" in row
    assert "±" not in row


def test_the_epochs_of_censored_medians_are_bounds():
    records = [build_run(seed=seed, value=0.3, history=(0.1, 0.3), config={}) for seed in range(3)]
    assert "> 2 (0 of 3)" in render_text(compare_runs(records, Question(target=0.7)))


def test_nothing_finished_is_a_table_of_states():
    text = render_text(
        compare_runs([build_run(state="running"), build_run("norm=batch", state="pending")])
    )
    assert "1 of 1 running" in text
    assert "no run has finished" in text


def grid():
    cells = {"norm=none": NONE, "norm=batch": BATCH}
    return [
        run
        for size in ("8", "32")
        for cell, values in cells.items()
        for run in build_cell(f"{cell},batch_size={size}", values)
    ]


def test_each_value_has_its_table_under_a_heading():
    lines = render_text(*compare_by(grid(), "batch_size")).splitlines()
    headings = [line for line in lines if line.startswith("batch_size = ")]
    assert headings == ["batch_size = 8", "batch_size = 32"]
    assert sum(line.startswith("norm ") for line in lines) == 2


def test_what_holds_for_all_tables_is_said_once():
    text = render_text(*compare_by(grid(), "batch_size"))
    assert text.count("study: test/accuracy after the last epoch") == 1
    assert text.count("95 % t intervals over seeds") == 1


def test_the_title_says_which_runs_were_chosen(comparison):
    chosen = compare_runs(grid()[:6], Question(where={"data.batch_size": ("8",)}))
    first = render_text(chosen).splitlines()[0]
    assert first == "study: test/accuracy after the last epoch, where batch_size = 8"


def test_claims_stand_above_the_table_with_verdict_evidence_and_source():
    text = render_text(compare_runs(claimed_runs()))
    claim, _, table = text.partition("norm   n")
    assert table
    for words in ("Supported: batch norm is better", "difference +16.3 points", "Source: a paper."):
        assert words in " ".join(claim.split())


def test_the_verdict_on_a_claim_is_coloured():
    text = render(compare_runs(claimed_runs()), force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1;32mSupported", text)


def test_a_claim_that_is_contradicted_is_red():
    comparison = compare_runs(claimed_runs({**CLAIM, "direction": "lower"}))
    text = render(comparison, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1;31mContradicted", text)


def test_bold_is_explained_where_it_shows(comparison):
    shown = render(comparison, force_terminal=True, color_system="standard")
    assert "Bold: the best mean, which is not a verdict." in shown
    assert "Bold" not in render_text(comparison)


def test_long_names_are_broken_between_their_parts():
    names = ("none", "batch_renorm(warmup_steps=50,r_max_steps=150)")
    records = [build_run(name, settings={"model.norm.name": name}) for name in names]
    lines = [line.split()[0] for line in render_text(compare_runs(records)).splitlines() if line]
    assert "batch_renorm(warmup_steps=50," in lines
    assert "r_max_steps=150)" in lines


def test_on_a_narrow_console_names_are_broken_between_words():
    records = [
        *build_cell("none", NONE, settings={"model.placement": "before_activation"}),
        *build_cell("batch", BATCH, settings={"model.placement": "after_activation"}),
    ]
    text = render_text(compare_runs(records), width=58)
    assert {"before_", "activation", "after_"} <= words_of(text)
    assert "+16.3 [14.9, 17.8]" in text


def test_a_narrow_terminal_gets_more_tables_with_names_and_figures_whole():
    records = [
        run
        for norm, place in (("group", "before_activation"), ("batch", "after_activation"))
        for run in build_cell(
            f"norm={norm},placement={place}",
            [0.5, 0.6],
            settings={"model.norm.name": norm, "model.placement": place},
        )
    ]
    text = render_text(compare_runs(records), width=50)

    assert max(map(len, text.splitlines())) <= 50
    assert text.count("placement") > 2
    for whole in ("activation", "before_", "test/accuracy", "55.0 ± 63.5 %", "2 finished"):
        assert whole in text
