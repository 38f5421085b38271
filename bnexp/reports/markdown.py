"""The comparison as Markdown: table, sentences, warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bnexp.analysis.results import Comparison
from bnexp.reports.formatting import NOTHING
from bnexp.reports.sentences import describe_cells
from bnexp.reports.table import Column, TableView, build_table, describe_method


def render_markdown(comparison: Comparison) -> str:
    """Returns a section in GitHub's Markdown; the best mean is bold."""
    sentences = [f"- {_escape(sentence)}" for sentence in describe_cells(comparison)]
    warnings = [f"> **Warning:** {_escape(warning)}" for warning in comparison.warnings]
    blocks = [
        f"### {_escape(comparison.experiment)}: {_escape(comparison.metric)} after the last epoch",
        "\n".join(_table(comparison)),
        _escape(describe_method(comparison)),
        "\n".join(sentences),
        "\n>\n".join(warnings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(comparison: Comparison) -> list[str]:
    view = build_table(comparison)
    columns = (*view.names, *view.results, _verdicts(comparison), *view.costs)
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


def _verdicts(comparison: Comparison) -> Column:
    texts = (cell.difference.verdict if cell.difference else NOTHING for cell in comparison.cells)
    return Column("verdict", tuple(texts), "text")


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _escape(text: str) -> str:
    """Keeps a name or value from being read as Markdown or HTML."""
    return re.sub(r"[\\|*`]|<(?=[A-Za-z/!?])", r"\\\g<0>", text)
