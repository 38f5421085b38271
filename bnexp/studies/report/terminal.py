"""The report on studies on a terminal: the verdicts in a table, then each study."""

from __future__ import annotations

from rich.console import Console

from bnexp.reports.terminal import CLAIM_STYLES, draw_table, print_paragraph, wrap
from bnexp.studies.report.build import StudyPart, StudyReport
from bnexp.studies.report.columns import NARROW, build_columns
from bnexp.studies.report.words import (
    HOW_TO_READ,
    VERDICTS,
    Row,
    compare_command,
    describe_claim_lines,
    describe_family,
    describe_purpose,
    describe_run,
    describe_summary,
    describe_title,
    list_rows_of,
)


def print_studies(console: Console, report: StudyReport) -> None:
    """Prints the verdicts, what they are corrected for, and each study in a section."""
    console.print(wrap(describe_title(report), console, "bold"))
    console.print(wrap(describe_summary(report), console))
    for part in report.parts:
        print_paragraph([wrap(part.title, console, "bold")], console)
        console.print(draw_table(build_columns(list_rows_of(part), NARROW)))
    for part in report.parts:
        if part.result is not None:
            _print_part(part, console)
    notes = [*describe_family(report), VERDICTS, HOW_TO_READ]
    print_paragraph([wrap(note, console, "dim") for note in notes], console)


def _print_part(part: StudyPart, console: Console) -> None:
    result = part.result
    assert result is not None, "only what was run has a section"
    print_paragraph([wrap(part.title, console, "bold")], console)
    console.print(wrap(describe_purpose(result), console))
    rows = list_rows_of(part)
    facts = [*describe_run(result, rows), ("Comparison", compare_command(result))]
    for label, text in facts:
        console.print(wrap(f"{label}: {text}", console, indent=2))
    for row in rows:
        _print_claim(row, console)
    for caveat in result.caveats:
        console.print(wrap(f"warning: {caveat.text}", console))


def _print_claim(row: Row, console: Console) -> None:
    assert row.text is not None, "it has a result"
    first = wrap(f"{row.text.heading}: {row.statement}", console, "bold")
    first.stylize(CLAIM_STYLES[row.style], 0, len(row.text.heading))
    lines = [wrap(line, console, indent=2) for line in describe_claim_lines(row.text)]
    lines += [wrap("Limits:", console, "dim", indent=2)] if row.limits else []
    lines += [wrap(line, console, indent=4) for line in row.limits]
    print_paragraph([first, *lines], console)
