r"""The comparison as LaTeX: a booktabs table for a paper, and the claims as a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.reports.latex_text import comment, escape
from bnexp.reports.table import Column, TableView, build_table, fold_name, verdict_column
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.notes import describe_notes
from bnexp.reports.words.titles import describe_part, describe_title

_NARROW = 18
"""Characters of a setting's line; most pages have room for three such columns."""


def render_latex(*comparisons: Comparison) -> str:
    r"""Returns a `table` with the results, the costs, and notes, and the claims below it.

    It needs `\usepackage{booktabs}` alone. The best mean is bold, verdicts are words, and
    warnings are comments as well as notes.
    """
    warnings = list(
        dict.fromkeys(text for comparison in comparisons for text in comparison.warnings)
    )
    notes = describe_notes(comparisons, is_best_marked=True, is_advising=False)
    lines = [
        comment(f"{describe_title(comparisons)}; needs \\usepackage{{booktabs}}"),
        *(comment(f"warning: {warning}") for warning in warnings),
        r"\begin{table}[htbp]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(describe_title(comparisons))}. {escape(' '.join(notes))}}}",
        rf"\label{{{_label(comparisons[0])}}}\par\medskip",
        *(line for part in comparisons for line in _part(part, comparisons)),
        *_table_notes(warnings),
        r"\end{table}",
        *_claims([claim for comparison in comparisons for claim in comparison.claims]),
    ]
    return "\n".join(lines) + "\n"


def _label(comparison: Comparison) -> str:
    name = f"{comparison.experiment}-{comparison.metric}"
    return f"tab:{re.sub('[^A-Za-z0-9.]+', '-', name).strip('-')}"


def _part(comparison: Comparison, comparisons: Sequence[Comparison]) -> Iterable[str]:
    heading = describe_part(comparison, comparisons)
    if heading:
        yield rf"\par\medskip\textbf{{{escape(heading)}}}\par\smallskip"
    view = build_table(comparison)
    yield from _tabular(view, (*view.results, verdict_column(comparison)))
    yield r"\par\medskip"
    yield from _tabular(view, view.costs)


def _tabular(view: TableView, columns: Sequence[Column]) -> Iterable[str]:
    shown = (*view.names, *columns)
    sides = "".join(map(_side, shown))
    yield rf"\begin{{tabular}}{{@{{}}{sides}@{{}}}}"
    yield r"\toprule"
    yield _row(map(_header, shown))
    yield r"\midrule"
    for row in range(len(shown[0].texts)):
        yield _row(_text(column, row, view) for column in shown)
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _header(column: Column) -> str:
    is_name = column.kind == "name"
    text = fold_name(column.header, _NARROW) if is_name else column.header
    return _stack(text, "b", _side(column))


def _text(column: Column, row: int, view: TableView) -> str:
    if column.kind == "name":
        return _stack(fold_name(column.texts[row], _NARROW), "t", "l")
    text = escape(column.texts[row].replace("\n", ", "))
    return rf"\textbf{{{text}}}" if column.kind == "mean" and row in view.best else text


def _side(column: Column) -> str:
    return "l" if column.kind in ("name", "text") else "r"


def _stack(text: str, place: str, side: str) -> str:
    """Returns the lines of a text below each other, the row on the top or bottom one."""
    lines = [escape(line) for line in text.split("\n")]
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{place}]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}"


def _table_notes(warnings: Sequence[str]) -> Iterable[str]:
    if not warnings:
        return
    yield r"\par\medskip\begin{minipage}{\linewidth}\footnotesize\raggedright"
    yield from (rf"Warning: {escape(warning)}.\par" for warning in warnings)
    yield r"\end{minipage}"


def _claims(claims: Sequence[ClaimResult]) -> Iterable[str]:
    if not claims:
        return
    yield r"\begin{enumerate}"
    for claim in claims:
        text = describe_claim(claim)
        verdict, _, statement = text.headline.partition(": ")
        rest = " ".join(filter(None, (text.evidence, *text.notes)))
        claimed = escape(statement.removesuffix("."))
        yield rf"\item \textbf{{{escape(verdict)}:}} {claimed}. {escape(rest)}"
    yield r"\end{enumerate}"
