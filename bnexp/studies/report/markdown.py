"""The report on studies as Markdown: a table of verdicts, then a section for each study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bnexp.foreign_text import escape_markdown as escape
from bnexp.reports.markdown import GITHUB, Dialect
from bnexp.studies.report.build import StudyPart, StudyReport
from bnexp.studies.report.columns import ALL, build_columns
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
    list_rows,
    list_rows_of,
)
from bnexp.studies.shown import ShownFigure

_FEW = ("study", "claim", "verdict", "effect [interval]", "n", "published")
"""Columns for readers that break the words of wide tables."""


def render_studies_markdown(
    report: StudyReport, folder: Path | None = None, dialect: Dialect = GITHUB
) -> str:
    """Returns the report; `folder` leads to the results from where the text will be read.

    Without it there are no links and no figures.
    """
    blocks = [
        f"## {escape(describe_title(report))}",
        f"**{escape(describe_summary(report))}**",
        escape(VERDICTS),
        "\n".join(_table(report, folder, dialect)),
        "\n\n".join(map(escape, (*describe_family(report), HOW_TO_READ))),
        *(block for part in report.parts for block in _part(part, folder, dialect)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(report: StudyReport, folder: Path | None, dialect: Dialect) -> Iterator[str]:
    """Yields the lines of the table of claims, each row with its links."""
    rows = list_rows(report)
    columns = build_columns(rows, ALL if dialect.has_wide_tables else _FEW)
    heads = [escape(" ".join(column.header)) for column in columns]
    marks = ["---" if column.is_text else "---:" for column in columns]
    cells = [[escape(column.text(place, ", ")) for column in columns] for place in range(len(rows))]
    if folder is not None and any(part.shown.figures for part in report.parts):
        heads, marks = [*heads, "shown"], [*marks, "---"]
        links = [link for part in report.parts for link in _link_rows(part, folder)]
        cells = [[*row, link] for row, link in zip(cells, links, strict=True)]
    for line in (heads, marks, *cells):
        yield f"| {' | '.join(line)} |"


def _link_rows(part: StudyPart, folder: Path) -> Iterator[str]:
    """Yields the links of each of a study's rows: to its figures and to the comparison."""
    for digest in part.digests or [""] * len(part.declared.claims):
        figure, file = part.shown.figures.get(digest), part.shown.comparison
        links = [f"[figure]({_link(folder, part, figure.file)})"] if figure else []
        links += [*_link_overviews(part, folder)]
        links += [f"[comparison]({_link(folder, part, file)})"] if file else []
        yield ", ".join(links)


def _link_overviews(part: StudyPart, folder: Path) -> Iterator[str]:
    several = len(part.shown.overviews) > 1
    for place, figure in enumerate(part.shown.overviews, start=1):
        name = f"all variants {place}" if several else "all variants"
        yield f"[{name}]({_link(folder, part, figure.file)})"


def _part(part: StudyPart, folder: Path | None, dialect: Dialect) -> Iterator[str]:
    yield f"### {escape(part.title)}"
    result = part.result
    if result is None:
        claims = "; ".join(claim.statement for claim in part.declared.claims)
        yield escape(f"{part.absence[0].upper()}{part.absence[1:]}. Claimed: {claims}.")
        return
    yield escape(describe_purpose(result))
    rows = list_rows_of(part)
    facts = [f"- {label}: {escape(text)}" for label, text in describe_run(result, rows)]
    yield "\n".join([*facts, f"- Comparison: {_write_comparison(part, folder)}"])
    for row, digest in zip(rows, part.digests, strict=True):
        yield _claim(row, dialect)
        figure = part.shown.figures.get(digest)
        if folder is not None and figure is not None:
            yield _picture(folder, part, figure)
    if folder is not None and part.shown.overviews:
        yield "Beside the claims:"
        for figure in part.shown.overviews:
            yield _picture(folder, part, figure)
    yield "\n>\n".join(f"> **Warning:** {escape(caveat.text)}" for caveat in result.caveats)


def _write_comparison(part: StudyPart, folder: Path | None) -> str:
    assert part.result is not None, "it was run"
    command, file = compare_command(part.result), part.shown.comparison
    if folder is None or file is None:
        return f"`{command}`"
    return f"[all variants, tables and costs]({_link(folder, part, file)})"


def _picture(folder: Path, part: StudyPart, figure: ShownFigure) -> str:
    return f"![{escape(figure.title)}]({_link(folder, part, figure.file)})"


def _link(folder: Path, part: StudyPart, file: str) -> str:
    return (folder / part.declared.study / file).as_posix().replace(" ", "%20")


def _claim(row: Row, dialect: Dialect) -> str:
    text = row.text
    assert text is not None, "it has a result"
    lines = [f"- **{text.heading}:** {escape(row.statement)}"]
    lines += [f"{dialect.indent}- {escape(line)}" for line in describe_claim_lines(text)]
    if row.limits:
        lines.append(f"{dialect.indent}- Limits:")
        lines += [f"{2 * dialect.indent}- {escape(line)}" for line in row.limits]
    return "\n".join(lines)
