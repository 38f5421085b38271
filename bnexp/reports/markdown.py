"""The comparison as Markdown: claims, tables, sentences, notes, warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.reports.table import Column, TableView, build_table, verdict_column
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.notes import describe_notes
from bnexp.reports.words.sentences import describe_cells
from bnexp.reports.words.titles import describe_part, describe_title


def render_markdown(*comparisons: Comparison) -> str:
    """Returns a section in GitHub's Markdown: claims, tables with sentences, notes, warnings.

    The best mean is bold.
    """
    claims = [claim for comparison in comparisons for claim in comparison.claims]
    notes = describe_notes(comparisons, is_best_marked=True)
    warnings = dict.fromkeys(text for comparison in comparisons for text in comparison.warnings)
    blocks = [
        f"### {_escape(describe_title(comparisons))}",
        "\n".join(map(_claim, claims)),
        *(block for comparison in comparisons for block in _part(comparison, comparisons)),
        "\n\n".join(map(_escape, notes)),
        "\n>\n".join(f"> **Warning:** {_escape(warning)}" for warning in warnings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _claim(claim: ClaimResult) -> str:
    text = describe_claim(claim)
    verdict, _, statement = text.headline.partition(": ")
    rest = (f"  - {_escape(line)}" for line in (text.evidence, *text.notes) if line)
    return "\n".join((f"- **{verdict}:** {_escape(statement)}", *rest))


def _part(comparison: Comparison, comparisons: Sequence[Comparison]) -> Iterable[str]:
    heading = describe_part(comparison, comparisons)
    if heading:
        yield f"#### {_escape(heading)}"
    yield "\n".join(_table(comparison))
    yield "\n".join(f"- {_escape(sentence)}" for sentence in describe_cells(comparison))


def _table(comparison: Comparison) -> list[str]:
    view = build_table(comparison)
    columns = (*view.names, *view.results, verdict_column(comparison), *view.costs)
    lines = [
        _row(_escape(column.header.replace("\n", " ")) for column in columns),
        _row("---" if column.kind in ("name", "text") else "---:" for column in columns),
    ]
    for row in range(len(comparison.cells)):
        lines.append(_row(_text(column, row, view) for column in columns))
    return lines


def _text(column: Column, row: int, view: TableView) -> str:
    text = _escape(column.texts[row].replace("\n", ", "))
    return f"**{text}**" if column.kind == "mean" and row in view.best else text


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _escape(text: str) -> str:
    """Keeps a name or value on one line, and from being read as Markdown or HTML."""
    return re.sub(r"[\\|*`~]|<(?=[A-Za-z/!?])", r"\\\g<0>", " ".join(text.split()))
