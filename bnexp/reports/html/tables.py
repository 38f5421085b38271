"""The comparison's two tables as HTML: results, and what each cell costs.

Rows become cards on a narrow screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.html.marks import cell_marks
from bnexp.reports.html.markup import Markup, breakable, join, tag
from bnexp.reports.html.verdict import SIGNS
from bnexp.reports.table import Column, Lines, TableView, build_table
from bnexp.reports.words.formatting import NOTHING
from bnexp.reports.words.phrases import Figure
from bnexp.wording import format_bytes, format_duration, format_speed

FIGURE_SPACE = "\u2007"
"""A blank as wide as a digit."""

_COST_NOTE = (
    "Medians over the finished runs. ×: relative to the baseline. Times hold for this machine "
    "only, and for what else ran on it."
)


@dataclass(frozen=True)
class _HtmlColumn:
    """A header and the content of each row; `kind` is the class that places and styles it."""

    header: tuple[str, ...]
    cells: tuple[Markup, ...]
    kind: str = "text"


@dataclass(frozen=True)
class _Cost:
    """One kind of cost: how it is read from a cell and written."""

    header: str
    read: Callable[[CellResult], float | None]
    write: Callable[[float], str]


_COSTS = (
    _Cost("time per run", lambda cell: cell.elapsed_seconds, format_duration),
    _Cost("images/s", lambda cell: cell.images_per_second, format_speed),
    _Cost("peak memory", lambda cell: cell.peak_memory_bytes, format_bytes),
    _Cost("parameters", lambda cell: cell.parameters, lambda size: f"{size:,.0f}"),
)


def render_results(comparison: Comparison) -> Markup:
    """Returns the table of all cells, the best mean in bold."""
    view = build_table(comparison)
    first, *others = view.names
    verdicts = tuple(map(_verdict, comparison.cells))
    columns = [
        _HtmlColumn(first.header, _swatched(comparison, _names(first)), "name first"),
        *(_HtmlColumn(column.header, _names(column), "name") for column in others),
        *(_figures(column, view) for column in view.results),
        _HtmlColumn(view.verdicts.header, verdicts, "verdict"),
        # Speed has a column in the table of costs.
        *(_figures(column, view) for column in view.costs if column.kind != "speed"),
    ]
    return _table(columns, comparison, f"{comparison.metric} of each cell")


def render_cost(comparison: Comparison) -> Markup | None:
    """Returns the table of costs, or None if no cell has any."""
    cells = comparison.cells
    known = [cost for cost in _COSTS if any(map(cost.read, cells))]
    if not known:
        return None
    marks = cell_marks(comparison)
    names = _swatched(comparison, (breakable(marks[cell.cell].spaced) for cell in cells))
    columns = [
        _HtmlColumn(("cell",), names, "name first"),
        *(
            _HtmlColumn((cost.header,), tuple(_amounts(comparison, cost)), "figure cost")
            for cost in known
        ),
    ]
    table = _table(columns, comparison, "Cost of each cell")
    return table + tag("p", _COST_NOTE, class_="method")


def _swatched(comparison: Comparison, names: Iterable[Markup]) -> tuple[Markup, ...]:
    """Returns the cells' names, each behind a piece of its line."""
    marks = cell_marks(comparison)
    return tuple(
        marks[cell.cell].swatch() + tag("span", name)
        for cell, name in zip(comparison.cells, names, strict=True)
    )


def _names(column: Column) -> tuple[Markup, ...]:
    return tuple(breakable(column.text(row, "")) for row in range(len(column.rows)))


def _figures(column: Column, view: TableView) -> _HtmlColumn:
    if column.is_text:
        texts = tuple(_in_lines(map("".join, lines)) for lines in column.rows)
        return _HtmlColumn(column.header, texts, column.kind)
    cells = tuple(
        tag("strong", cell) if view.is_bold(column, row) else cell
        for row, cell in enumerate(_align(column.rows))
    )
    return _HtmlColumn(column.header, cells, f"figure {column.kind}")


def _verdict(cell: CellResult) -> Markup:
    if cell.difference is None:
        return Markup(NOTHING)
    verdict = cell.difference.verdict
    return tag("span", SIGNS[verdict], class_="sign", aria_hidden="true") + f" {verdict}"


def _align(rows: Sequence[Lines]) -> Iterator[Markup]:
    """Yields each row with blanks before each k-th figure that is shorter than the longest.

    As the figures of a column have equally many decimals, and a figure space is as wide as
    a digit, their decimal points then stand below each other.
    """
    figures = [[piece for piece in phrase if isinstance(piece, Figure)] for (phrase,) in rows]
    widths = [max(map(len, place)) for place in zip_longest(*figures, fillvalue="")]
    for (phrase,) in rows:
        left = iter(widths)
        yield join(
            _pad(next(left) - len(piece)) + piece if isinstance(piece, Figure) else piece
            for piece in phrase
        )


def _pad(missing: int) -> Markup:
    """Returns blanks that a card, where nothing stands below, doesn't show."""
    return tag("span", FIGURE_SPACE * missing, class_="pad") if missing else Markup()


def _amounts(comparison: Comparison, cost: _Cost) -> Iterator[Markup]:
    """Yields each cell's cost with its ratio to the baseline's and a bar."""
    values = [cost.read(cell) for cell in comparison.cells]
    reference = cost.read(comparison.baseline_cell)
    most = max(value or 0.0 for value in values)
    for value in values:
        if value is None:
            yield Markup(NOTHING)
            continue
        parts = [tag("span", cost.write(value), class_="amount")]
        if reference:
            parts.append(tag("span", f"{value / reference:.2f} ×", class_="ratio"))
        yield tag("div", *parts, class_="pair") + _bar(value / most if most else 0.0)


def _bar(share: float) -> Markup:
    """Returns a bar whose full width is the largest figure of the column."""
    return tag(
        "svg",
        tag("rect", width=100 * share, height=6),
        class_="bar",
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _table(columns: Sequence[_HtmlColumn], comparison: Comparison, caption: str) -> Markup:
    """Returns the table in a box that scrolls by itself; the first column names the row.

    The roles say again what a table's elements say, for browsers that forget it once the
    rows are drawn as cards. The baseline's row is set apart.
    """
    head = tag("tr", *map(_header, columns), role="row")
    body = (
        tag(
            "tr",
            *(_cell(column, row, is_first=column is columns[0]) for column in columns),
            role="row",
            class_="baseline" if cell.cell == comparison.baseline else None,
        )
        for row, cell in enumerate(comparison.cells)
    )
    table = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )
    return tag("div", table, class_="box", tabindex="0", role="region", aria_label=caption)


def _header(column: _HtmlColumn) -> Markup:
    header = _in_lines(map(breakable, column.header))
    return tag("th", header, scope="col", role="columnheader", class_=column.kind)


def _cell(column: _HtmlColumn, row: int, *, is_first: bool) -> Markup:
    content = tag("div", column.cells[row])
    if is_first:
        return tag("th", content, scope="row", role="rowheader", class_=column.kind)
    label = " ".join(column.header)
    return tag("td", content, role="cell", class_=column.kind, data_label=label)


def _in_lines(texts: Iterable[str]) -> Markup:
    return join(texts, tag("br"))
