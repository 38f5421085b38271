"""The comparison's main table as HTML."""

from __future__ import annotations

from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.html.data_table import HtmlColumn, aligned, data_table, lines
from bnexp.reports.html.marks import Mark, cell_marks
from bnexp.reports.html.markup import Markup, breakable, tag
from bnexp.reports.html.verdict import SIGNS
from bnexp.reports.table import Column, TableView, build_table
from bnexp.reports.words.formatting import NOTHING

SPEED = "images/s"
"""The column that stands in the table of costs instead."""


def render_table(comparison: Comparison) -> Markup:
    """Returns the table of all cells, the best mean in bold."""
    view, marks = build_table(comparison), cell_marks(comparison)
    swatches = [marks[cell.cell] for cell in comparison.cells]
    columns = [
        *(
            _name(column, swatches if place == 0 else None)
            for place, column in enumerate(view.names)
        ),
        *(_figures(column, view) for column in view.results),
        _verdicts(comparison),
        *(_figures(column, view) for column in view.costs if column.header != SPEED),
    ]
    classes = row_classes(comparison)
    caption = f"{comparison.metric} of each cell"
    return data_table(columns, classes, caption)


def row_classes(comparison: Comparison) -> list[str | None]:
    """Returns the class of each row: the baseline's is set apart."""
    return ["baseline" if cell.cell == comparison.baseline else None for cell in comparison.cells]


def _name(column: Column, marks: list[Mark] | None) -> HtmlColumn:
    cells = [breakable(content) for content in column.texts]
    if marks is not None:
        cells = [mark.swatch() + tag("span", cell) for mark, cell in zip(marks, cells, strict=True)]
    return HtmlColumn(column.header, tuple(cells), "name first" if marks is not None else "name")


def _figures(column: Column, view: TableView) -> HtmlColumn:
    if column.kind in ("name", "text"):
        return HtmlColumn(column.header, tuple(map(lines, column.texts)), column.kind)
    cells = aligned(column.texts)
    if column.kind == "mean":
        cells = tuple(
            tag("strong", cell) if row in view.best else cell for row, cell in enumerate(cells)
        )
    return HtmlColumn(column.header, cells, f"figure {column.kind}")


def _verdicts(comparison: Comparison) -> HtmlColumn:
    return HtmlColumn("verdict", tuple(map(_verdict, comparison.cells)), "verdict")


def _verdict(cell: CellResult) -> Markup:
    if cell.difference is None:
        return Markup(NOTHING)
    verdict = cell.difference.verdict
    return tag("span", SIGNS[verdict], class_="sign", aria_hidden="true") + f" {verdict}"
