"""The comparison on a terminal: claims, a table, a sentence per cell, notes, and warnings."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bnexp.analysis.results import ClaimResult, ClaimVerdict, Comparison, Verdict
from bnexp.reports.console import PLAIN_WIDTH, open_console, open_table
from bnexp.reports.table import Column, TableView, build_table
from bnexp.reports.words.cell_names import fold_name
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.headings import describe_part, describe_title
from bnexp.reports.words.notes import describe_notes
from bnexp.reports.words.phrases import plain
from bnexp.reports.words.sentences import describe_cells

_GAP = 2
_LEAST_NAME = 12
"""Characters that a column of names may be folded to, its gap included."""

_LONGEST_NAME = 30
"""Characters beyond which a name is broken into lines."""

_NARROW = 12
"""Characters of a name's line if the console is too narrow for the table."""

_VERDICT_STYLES: dict[Verdict, str] = {
    "better": "green",
    "worse": "red",
    "equivalent": "cyan",
    "confounded": "yellow",
}
_CLAIM_STYLES: dict[ClaimVerdict, str] = {
    "supported": "green",
    "contradicted": "red",
    "equivalent": "cyan",
    "inconclusive": "yellow",
}


def show_report(*comparisons: Comparison) -> None:
    """Writes the report to stdout, without trailing blanks if that is no terminal."""
    console = open_console()
    if console.is_terminal:
        print_report(console, *comparisons)
    else:
        console.file.write(render_text(*comparisons, width=console.width))


def render_text(*comparisons: Comparison, width: int = PLAIN_WIDTH) -> str:
    """Returns the report as plain text, the tables no wider than `width` characters."""
    console = Console(
        file=io.StringIO(), width=width, highlight=False, force_terminal=False, no_color=True
    )
    with console.capture() as capture:
        print_report(console, *comparisons)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def print_report(console: Console, *comparisons: Comparison) -> None:
    """Prints claims, tables with a sentence per cell, notes, and warnings.

    A table too wide for the console comes in two parts.
    """
    console.print(_wrap(describe_title(comparisons), console, "bold"))
    for comparison in comparisons:
        for claim in comparison.claims:
            _print_claim(claim, console)
    for comparison in comparisons:
        _print_part(comparison, comparisons, console)
    notes = describe_notes(comparisons, is_best_marked=console.is_terminal)
    warnings = dict.fromkeys(found.text for part in comparisons for found in part.caveats)
    _print_paragraph([_wrap(note, console, "dim") for note in notes], console)
    _print_paragraph([_warn(warning, console) for warning in warnings], console)


def _print_claim(claim: ClaimResult, console: Console) -> None:
    text = describe_claim(claim)
    first = _wrap(f"{text.heading}: {text.statement}", console, "bold")
    first.stylize(_CLAIM_STYLES[claim.verdict], 0, len(text.heading))
    rest = [_wrap(paragraph, console, indent=2) for paragraph in text.paragraphs]
    _print_paragraph([first, *rest], console)


def _print_part(
    comparison: Comparison, comparisons: Sequence[Comparison], console: Console
) -> None:
    heading = describe_part(comparison, comparisons)
    if heading:
        _print_paragraph([_wrap(heading, console, "bold")], console)
    view = build_table(comparison)
    view = replace(view, names=_fold_names(view.names, _LONGEST_NAME))
    for columns in _fitting_parts(view, console.width):
        console.print()
        console.print(_table(comparison, view, columns, console.width))
    _print_paragraph([_wrap(text.join(), console) for text in describe_cells(comparison)], console)


def _print_paragraph(lines: Sequence[Text], console: Console) -> None:
    """Prints the lines with an empty one before them; nothing if there are none."""
    if lines:
        console.print()
        console.print(*lines, sep="\n")


def _warn(warning: str, console: Console) -> Text:
    text = _wrap(f"warning: {warning}", console)
    text.stylize("yellow", 0, len("warning:"))
    return text


def _wrap(text: str, console: Console, style: str = "", indent: int = 0) -> Text:
    """Returns the text in lines that fit, never broken at `NO_BREAK`."""
    lines = textwrap.wrap(
        text,
        console.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return Text(plain("\n".join(lines)), style, overflow="fold")


def _fold_names(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """Returns columns of names with long ones in several lines."""
    return tuple(
        replace(
            column,
            rows=tuple(
                tuple((line,) for line in fold_name(column.text(row, ""), width))
                for row in range(len(column.rows))
            ),
        )
        for column in columns
    )


def _narrow(column: Column) -> Column:
    """Returns a column of names whose header is in several lines too."""
    return replace(column, header=fold_name(plain(column.header), _NARROW))


def _fitting_parts(view: TableView, width: int) -> list[tuple[Column, ...]]:
    whole = (*view.results, *view.costs)
    return [whole] if _natural_width((*view.names, *whole)) <= width else [view.results, view.costs]


def _natural_width(columns: Sequence[Column]) -> int:
    """Returns the characters per line that the columns need without folding anything."""
    widths = [
        max(cell_len(plain(line)) for lines in (column.header, *column.rows) for line in lines)
        for column in columns
    ]
    return sum(widths) + _GAP * (len(widths) - 1)


def _table(comparison: Comparison, view: TableView, columns: Sequence[Column], width: int) -> Table:
    table = open_table()
    names = view.names
    if _natural_width((*names, *columns)) > width:
        names = tuple(map(_narrow, _fold_names(names, _NARROW)))
    shown = (*names, *columns)
    least = sum(min(_LEAST_NAME, _natural_width([name]) + _GAP) for name in names)
    is_only_names_folded = _natural_width(columns) + least <= width
    for column in shown:
        table.add_column(
            Text("\n".join(column.header)),
            justify="left" if column.is_text else "right",
            overflow="fold",
            no_wrap=is_only_names_folded and column.kind != "name",
        )
    for row in range(len(comparison.cells)):
        table.add_row(*(_text(comparison, view, column, row) for column in shown))
    return table


def _text(comparison: Comparison, view: TableView, column: Column, row: int) -> Text:
    difference = comparison.cells[row].difference
    style = ""
    if column.kind == "difference" and difference is not None:
        style = _VERDICT_STYLES.get(difference.verdict, "")
    elif column.kind in ("name", "mean") and row in view.best:
        style = "bold"
    return Text(column.text(row, "\n"), style)
