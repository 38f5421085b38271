"""The comparison on a terminal: a table, a sentence a cell, and the warnings."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bnexp.analysis.results import Comparison
from bnexp.reports.console import PLAIN_WIDTH, open_console
from bnexp.reports.sentences import describe_cells
from bnexp.reports.table import Column, TableView, build_table, describe_method

_GAP = 2
_LEAST_NAME = 12
"""Characters that a column of names may be folded to, its gap included."""

_NO_BREAK = "\u00a0"
_HELD_TOGETHER = re.compile(r" (?=%)|(?<=\bp) (?=[=<])|(?<=\bp [=<]) ")

_VERDICT_STYLES = {"better": "green", "worse": "red", "confounded": "yellow"}


def show_report(comparison: Comparison) -> None:
    """Writes the report to stdout, without trailing blanks where that is no terminal."""
    console = open_console()
    if console.is_terminal:
        print_report(comparison, console)
    else:
        console.file.write(render_text(comparison, console.width))


def render_text(comparison: Comparison, width: int = PLAIN_WIDTH) -> str:
    """Returns the report as plain text, the table no wider than `width` characters."""
    console = Console(
        file=io.StringIO(), width=width, highlight=False, force_terminal=False, no_color=True
    )
    with console.capture() as capture:
        print_report(comparison, console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def print_report(comparison: Comparison, console: Console) -> None:
    """Prints the whole report; a table too wide for the console comes in two parts."""
    title = f"{comparison.experiment}: {comparison.metric} after the last epoch"
    console.print(_wrap(title, console, "bold"))
    view = build_table(comparison)
    for columns in _fitting_parts(view, console.width):
        console.print()
        console.print(_table(comparison, view, columns, console.width))
    console.print()
    console.print(_wrap(describe_method(comparison), console, "dim"))
    sentences = [_wrap(sentence, console) for sentence in describe_cells(comparison)]
    warnings = [_wrap(f"warning: {warning}", console) for warning in comparison.warnings]
    for warning in warnings:
        warning.stylize("yellow", 0, len("warning:"))
    for paragraph in filter(None, (sentences, warnings)):
        console.print()
        console.print(*paragraph, sep="\n")


def _wrap(text: str, console: Console, style: str = "") -> Text:
    """Returns the text in lines that fit, never broken inside `95 %` or `p = 0.01`."""
    held = _HELD_TOGETHER.sub(_NO_BREAK, text)
    lines = textwrap.wrap(
        held, console.width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )
    return Text("\n".join(lines).replace(_NO_BREAK, " "), style, overflow="fold")


def _fitting_parts(view: TableView, width: int) -> list[tuple[Column, ...]]:
    whole = (*view.results, *view.costs)
    return [whole] if _natural_width((*view.names, *whole)) <= width else [view.results, view.costs]


def _natural_width(columns: Sequence[Column]) -> int:
    """Returns the characters a line that the columns need without folding anything."""
    widths = [
        max(cell_len(line) for text in (column.header, *column.texts) for line in text.split("\n"))
        for column in columns
    ]
    return sum(widths) + _GAP * (len(widths) - 1)


def _table(comparison: Comparison, view: TableView, columns: Sequence[Column], width: int) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="", padding=(0, 1, 0, 0)
    )
    shown = (*view.names, *columns)
    is_only_names_folded = _natural_width(columns) + _LEAST_NAME * len(view.names) <= width
    for column in shown:
        table.add_column(
            Text(column.header),
            justify="left" if column.kind in ("name", "text") else "right",
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
    return Text(column.texts[row], style)
