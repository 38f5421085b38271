"""The comparison on a terminal: claims, a table, a sentence per cell, notes, and warnings."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bnexp.analysis.results import ClaimResult, ClaimVerdict, Comparison, Verdict
from bnexp.console import PLAIN_WIDTH, FoldedName, VisibleConsole, open_console, open_table
from bnexp.foreign_text import visible_lines
from bnexp.reports.table import (
    Column,
    TableView,
    build_claim_table,
    build_table,
    build_tuning_table,
)
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.headings import describe_part, describe_title
from bnexp.reports.words.notes import describe_notes
from bnexp.reports.words.phrases import plain
from bnexp.reports.words.sentences import describe_cells

_GAP = 2
"""Characters between two columns: the padding of one, and the box."""

_VERDICT_STYLES: dict[Verdict, str] = {
    "better": "green",
    "worse": "red",
    "equivalent": "cyan",
    "confounded": "yellow",
}
CLAIM_STYLES: dict[ClaimVerdict, str] = {
    "supported": "green",
    "contradicted": "red",
    "equivalent": "cyan",
    "inconclusive": "yellow",
    "exploratory": "yellow",
}


def show_report(*comparisons: Comparison, columns: Sequence[str] | None = None) -> None:
    """Writes the report to stdout, without trailing blanks if that is no terminal.

    `columns` chooses columns as `build_table` does.
    """
    show(lambda console: print_report(console, *comparisons, columns=columns))


def render_text(
    *comparisons: Comparison, width: int = PLAIN_WIDTH, columns: Sequence[str] | None = None
) -> str:
    """Returns the report as plain text, the tables no wider than `width` characters."""
    return render(lambda console: print_report(console, *comparisons, columns=columns), width)


def show(print_it: Callable[[Console], None]) -> None:
    """Writes what a function prints to stdout, without trailing blanks if that is no terminal."""
    console = open_console()
    if console.is_terminal:
        print_it(console)
    else:
        console.file.write(render(print_it, console.width))


def render(print_it: Callable[[Console], None], width: int = PLAIN_WIDTH) -> str:
    """Returns what a function prints as plain text, no wider than `width` characters."""
    console = VisibleConsole(file=io.StringIO(), width=width, force_terminal=False, no_color=True)
    with console.capture() as capture:
        print_it(console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def print_report(
    console: Console, *comparisons: Comparison, columns: Sequence[str] | None = None
) -> None:
    """Prints claims, tables with a sentence per cell, notes, and warnings.

    A table too wide for the console comes in parts.
    """
    console.print(wrap(describe_title(comparisons), console, "bold"))
    for comparison in comparisons:
        if verdicts := build_claim_table(comparison.claims):
            console.print()
            console.print(draw_table(verdicts))
        for claim in comparison.claims:
            _print_claim(claim, console)
    for comparison in comparisons:
        _print_part(comparison, comparisons, console, columns)
    notes = describe_notes(comparisons, is_best_marked=console.is_terminal)
    warnings = dict.fromkeys(found.text for part in comparisons for found in part.caveats)
    print_paragraph([wrap(note, console, "dim") for note in notes], console)
    print_paragraph([_warn(warning, console) for warning in warnings], console)


def _print_claim(claim: ClaimResult, console: Console) -> None:
    text = describe_claim(claim)
    first = wrap(f"{text.heading}: {text.statement}", console, "bold")
    first.stylize(CLAIM_STYLES[claim.verdict], 0, len(text.heading))
    rest = [wrap(paragraph, console, indent=2) for paragraph in text.paragraphs]
    print_paragraph([first, *rest], console)


def _print_part(
    comparison: Comparison,
    comparisons: Sequence[Comparison],
    console: Console,
    columns: Sequence[str] | None,
) -> None:
    heading = describe_part(comparison, comparisons)
    if heading:
        print_paragraph([wrap(heading, console, "bold")], console)
    view = build_table(comparison, columns)
    for table in _tables(comparison, view, console):
        console.print()
        console.print(table)
    if tried := build_tuning_table(comparison):
        print_paragraph([wrap("Values that tuning tried:", console)], console)
        console.print(draw_table(tried))
    print_paragraph([wrap(text.join(), console) for text in describe_cells(comparison)], console)


def print_paragraph(lines: Sequence[Text], console: Console) -> None:
    """Prints the lines with an empty one before them; nothing if there are none."""
    if lines:
        console.print()
        console.print(*lines, sep="\n")


def _warn(warning: str, console: Console) -> Text:
    text = wrap(f"warning: {warning}", console)
    text.stylize("yellow", 0, len("warning:"))
    return text


def wrap(text: str, console: Console, style: str = "", indent: int = 0) -> Text:
    """Returns the text in lines that fit, never broken at `NO_BREAK`."""
    lines = textwrap.wrap(
        visible_lines(text),
        console.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return Text(plain("\n".join(lines)), style, overflow="fold")


def _tables(comparison: Comparison, view: TableView, console: Console) -> list[Table]:
    """Returns one table if it fits, else results and costs apart, each in as many as it takes."""
    groups = (view.results, view.costs) if view.chosen is None else (view.chosen,)
    whole = (*view.names, *(column for group in groups for column in group))
    widths = {id(column): _measure(column) for column in whole}
    if (
        sum(widths[id(column)].maximum for column in whole) + _GAP * (len(whole) - 1)
        <= console.width
    ):
        return [_table(comparison, view, whole)]
    parts: list[list[Column]] = []
    for group in groups:
        parts.append([*view.names])
        for column in group:
            wider = [*parts[-1], column]
            width = sum(widths[id(one)].minimum for one in wider) + _GAP * (len(wider) - 1)
            if len(wider) > len(view.names) + 1 and width > console.width:
                parts.append([*view.names])
            parts[-1].append(column)
    return [_table(comparison, view, columns) for columns in parts]


def draw_table(columns: Sequence[Column]) -> Table:
    """Returns a table of columns whose texts are broken where they have to be."""
    table = open_table()
    for column in columns:
        justify: Literal["left", "right"] = "left" if column.is_text else "right"
        table.add_column("\n".join(column.header), justify=justify, overflow="fold")
    for row in range(len(columns[0].rows)):
        table.add_row(*(column.text(row, " ") for column in columns))
    return table


def _table(comparison: Comparison, view: TableView, columns: Sequence[Column]) -> Table:
    """Returns the table, whose columns of names become as narrow as the console demands."""
    table = open_table()
    for column in columns:
        header = "\n".join(column.header)
        is_name = column.kind == "name"
        table.add_column(
            FoldedName(header) if is_name else header,
            justify="left" if column.is_text else "right",
            overflow="fold",
            no_wrap=not is_name,
            min_width=None if is_name else _measure(column).minimum,
        )
    for row in range(len(comparison.cells)):
        table.add_row(*(_content(comparison, view, column, row) for column in columns))
    return table


def _measure(column: Column) -> Measurement:
    """Returns how narrow and how wide a column may be: names are broken, other lines never."""
    if column.kind == "name":
        rows = (column.text(row, "") for row in range(len(column.rows)))
        found = [FoldedName(text).measure() for text in ("\n".join(column.header), *rows)]
        return Measurement(max(one.minimum for one in found), max(one.maximum for one in found))
    lines = (plain(phrase) for row in column.rows for phrase in row)
    width = max(map(cell_len, (*column.header, *lines)))
    return Measurement(width, width)


def _content(
    comparison: Comparison, view: TableView, column: Column, row: int
) -> Text | FoldedName:
    difference = comparison.cells[row].difference
    style = "bold" if column.kind in ("name", "mean") and row in view.best else ""
    if column.kind == "difference" and difference is not None:
        style = _VERDICT_STYLES.get(difference.verdict, "")
    if column.kind == "name":
        return FoldedName(column.text(row, ""), style)
    return Text(column.text(row, "\n"), style)
