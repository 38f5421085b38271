"""The comparison as Markdown: claims, tables, sentences, notes, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.foreign_text import escape_markdown as escape
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
from bnexp.reports.words.sentences import describe_cells


@dataclass(frozen=True)
class Dialect:
    """What differs between the readers of Markdown."""

    indent: str
    """Stands before the items of an inner list."""
    has_wide_tables: bool
    """Whether results and costs fit side by side."""


GITHUB = Dialect("  ", has_wide_tables=True)
TENSORBOARD = Dialect("    ", has_wide_tables=False)
"""It breaks words if columns are many."""


def render_markdown(
    *comparisons: Comparison, dialect: Dialect = GITHUB, columns: Sequence[str] | None = None
) -> str:
    """Returns a section of Markdown: claims, tables with sentences, notes, warnings.

    The best mean is bold. `columns` chooses columns as `build_table` does.
    """
    claims = [claim for comparison in comparisons for claim in comparison.claims]
    notes = describe_notes(comparisons, is_best_marked=True)
    warnings = dict.fromkeys(found.text for part in comparisons for found in part.caveats)
    blocks = [
        f"### {escape(describe_title(comparisons))}",
        write_table(build_claim_table(claims)),
        "\n".join(_claim(claim, dialect) for claim in claims),
        *(block for part in comparisons for block in _part(part, comparisons, dialect, columns)),
        "\n\n".join(map(escape, notes)),
        "\n>\n".join(f"> **Warning:** {escape(warning)}" for warning in warnings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _claim(claim: ClaimResult, dialect: Dialect) -> str:
    text = describe_claim(claim)
    rest = (f"{dialect.indent}- {escape(paragraph)}" for paragraph in text.paragraphs)
    return "\n".join((f"- **{text.heading}:** {escape(text.statement)}", *rest))


def _part(
    comparison: Comparison,
    comparisons: Sequence[Comparison],
    dialect: Dialect,
    columns: Sequence[str] | None,
) -> Iterable[str]:
    heading = describe_part(comparison, comparisons)
    if heading:
        yield f"#### {escape(heading)}"
    view = build_table(comparison, columns)
    results = (*view.names, *view.results, view.verdicts)
    if view.chosen is not None:
        yield write_table((*view.names, *view.chosen), view)
    elif dialect.has_wide_tables:
        yield write_table((*results, *view.costs), view)
    else:
        yield write_table(results, view)
        yield "**Cost**"
        yield write_table((*view.names, *view.costs), view)
    if tried := build_tuning_table(comparison):
        yield "Values that tuning tried:"
        yield write_table(tried)
    sentences = (escape(text.join()) for text in describe_cells(comparison))
    yield "\n".join(f"- {sentence}" for sentence in sentences)


def write_table(columns: Sequence[Column], view: TableView | None = None) -> str:
    """Returns a table, in which the best mean of the view is bold; nothing without columns."""
    if not columns:
        return ""

    def write(column: Column, row: int) -> str:
        text = escape(column.text(row, ", "))
        return f"**{text}**" if view and view.is_bold(column, row) else text

    lines = [
        [escape(" ".join(column.header)) for column in columns],
        ["---" if column.is_text else "---:" for column in columns],
        *([write(column, row) for column in columns] for row in range(len(columns[0].rows))),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
