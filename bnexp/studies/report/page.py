"""The report on studies as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bnexp.reports.html.page import render_template, write_page
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
from bnexp.studies.results_folder import ResultsFolder
from bnexp.studies.shown import ShownFigure


def write_studies_html(report: StudyReport, folder: ResultsFolder, file: Path) -> Path:
    """Writes the page, with the figures that are in the folder, and returns its path.

    Raises:
        UsageError: The file cannot be written, or a figure cannot be read.
    """
    return write_page(render_studies_html(report, folder), file)


def render_studies_html(report: StudyReport, folder: ResultsFolder) -> str:
    """Returns the page as HTML; the same results and figures give the same text.

    Raises:
        UsageError: A figure cannot be read.
    """
    rows = list_rows(report)
    return render_template(
        "studies.html",
        title=describe_title(report),
        summary=describe_summary(report),
        columns=build_columns(rows, ALL),
        rows=rows,
        anchors=[anchor for part in report.parts for anchor in _list_anchors(part)],
        verdicts=VERDICTS,
        notes=(*describe_family(report), HOW_TO_READ),
        parts=[_part(part, folder) for part in report.parts],
    )


def _list_anchors(part: StudyPart) -> Iterator[str]:
    """Yields where on the page each of a study's rows leads: to its claim, with the figure."""
    study = part.declared.study
    for place, row in enumerate(list_rows_of(part), start=1):
        yield f"{study}-{place}" if row.text else study


def _part(part: StudyPart, folder: ResultsFolder) -> dict[str, Any]:
    result = part.result
    found: dict[str, Any] = {
        "study": part.declared.study,
        "title": part.title,
        "absence": part.absence,
        "statements": [claim.statement for claim in part.declared.claims],
    }
    if result is None:
        return found
    rows = list_rows_of(part)
    return {
        **found,
        "purpose": describe_purpose(result),
        "facts": [*describe_run(result, rows), ("Comparison", compare_command(result))],
        "rows": [*_add_figures(part, rows, folder)],
        "overviews": [_read_figure(part, figure, folder) for figure in part.shown.overviews],
        "warnings": [caveat.text for caveat in result.caveats],
    }


def _add_figures(
    part: StudyPart, rows: Sequence[Row], folder: ResultsFolder
) -> Iterator[tuple[Row, list[str], dict[str, Any] | None]]:
    for row, digest in zip(rows, part.digests, strict=True):
        assert row.text is not None, "it has a result"
        shown = part.shown.figures.get(digest)
        figure = _read_figure(part, shown, folder) if shown is not None else None
        yield row, [*describe_claim_lines(row.text)], figure


def _read_figure(part: StudyPart, shown: ShownFigure, folder: ResultsFolder) -> dict[str, Any]:
    picture = folder.read_picture(part.declared.study, shown.file)
    return {"picture": picture, "title": shown.title, "description": shown.description}
