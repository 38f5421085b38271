r"""The comparison as LaTeX: a booktabs table for a paper, and the claims as a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.console import fold_name
from bnexp.foreign_text import shareable, visible
from bnexp.reports.table import Column, TableView, build_table
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.headings import describe_part, describe_title
from bnexp.reports.words.notes import describe_notes

_NARROW = 18
"""Characters of a setting's line; most pages have room for three such columns."""

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    # After a line's end, `[` and `*` would be an option of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "ε": r"$\varepsilon$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "°": r"$^{\circ}$",
    "²": r"$^{2}$",
    "§": r"\S{}",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "\u200b": "{}",
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_DASHES = re.compile("-(?=-)")
"""Two hyphens in a row would be printed as a dash."""

_ACCENTED = re.compile("[À-ÖØ-öø-ÿŁ-ńŐőŒœŚśŠšŹ-ž]")
"""Letters that every LaTeX since 2018 prints without further packages."""


def render_latex(
    *comparisons: Comparison, columns: Sequence[str] | None = None, caption: str | None = None
) -> str:
    r"""Returns a `table` with the results, the costs, and notes, and the claims below it.

    It needs `\usepackage{booktabs}` alone. The best mean is bold, verdicts are words, and
    warnings are comments as well as notes. `columns` chooses columns as `build_table` does; a
    `caption`, which is text and not LaTeX, takes the place of title and notes.
    """
    warnings = list(dict.fromkeys(found.text for part in comparisons for found in part.caveats))
    notes = describe_notes(comparisons, is_best_marked=True, is_advising=False)
    name = re.sub("[^A-Za-z0-9.]+", "-", f"{comparisons[0].experiment}-{comparisons[0].metric}")
    if caption is None:
        caption = f"{describe_title(comparisons)}. {' '.join(notes)}"
    lines = [
        comment(f"{describe_title(comparisons)}; needs \\usepackage{{booktabs}}"),
        *(comment(f"warning: {warning}") for warning in warnings),
        r"\begin{table}[htbp]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{name.strip('-')}}}\par\medskip",
        *(line for part in comparisons for line in _part(part, comparisons, columns)),
        *_table_notes(warnings),
        r"\end{table}",
        *_claims([claim for comparison in comparisons for claim in comparison.claims]),
    ]
    return "\n".join(lines) + "\n"


def _part(
    comparison: Comparison, comparisons: Sequence[Comparison], columns: Sequence[str] | None
) -> Iterable[str]:
    heading = describe_part(comparison, comparisons)
    if heading:
        yield rf"\par\medskip\textbf{{{escape(heading)}}}\par\smallskip"
    view = build_table(comparison, columns)
    if view.chosen is not None:
        yield from _tabular(view, view.chosen)
        return
    yield from _tabular(view, (*view.results, view.verdicts))
    yield r"\par\medskip"
    yield from _tabular(view, view.costs)


def _tabular(view: TableView, columns: Sequence[Column]) -> Iterable[str]:
    shown = (*view.names, *columns)
    yield rf"\begin{{tabular}}{{@{{}}{''.join(map(_side, shown))}@{{}}}}"
    yield r"\toprule"
    yield " & ".join(map(_header, shown)) + r" \\"
    yield r"\midrule"
    for row in range(len(shown[0].rows)):
        yield " & ".join(_text(column, row, view) for column in shown) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _header(column: Column) -> str:
    is_name = column.kind == "name"
    lines = fold_name(column.header[0], _NARROW) if is_name else column.header
    return _stack(lines, "b", _side(column))


def _text(column: Column, row: int, view: TableView) -> str:
    if column.kind == "name":
        return _stack(fold_name(column.text(row, ""), _NARROW), "t", "l")
    text = escape(column.text(row, ", "))
    return rf"\textbf{{{text}}}" if view.is_bold(column, row) else text


def _side(column: Column) -> str:
    return "l" if column.is_text else "r"


def _stack(lines: Sequence[str], place: str, side: str) -> str:
    """Returns lines below each other, the row on the top or bottom one."""
    stacked = r" \\ ".join(map(escape, lines))
    if len(lines) == 1:
        return stacked
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
        claimed = escape(text.statement.removesuffix("."))
        rest = escape(" ".join(text.paragraphs))
        yield rf"\item \textbf{{{escape(text.heading)}:}} {claimed}. {rest}"
    yield r"\end{enumerate}"


def escape(text: str) -> str:
    """Returns LaTeX that prints the text on one line, without any package.

    A character that the standard fonts lack is written as its code, `[U+4E2D]`.
    """
    parted = _DASHES.sub("-\u200b", _MINUS.sub("−", shareable(text)))
    return "".join(map(_escape_one, parted))


def comment(text: str) -> str:
    """Returns the text as a line that LaTeX leaves out."""
    return f"% {visible(' '.join(shareable(text).split()))}"


def _escape_one(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if " " <= character <= "~" or _ACCENTED.match(character):
        return character
    return " " if character.isspace() else f"{{[}}U+{ord(character):04X}{{]}}"
