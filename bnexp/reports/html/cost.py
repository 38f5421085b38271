"""What each cell costs as HTML: time, speed, memory and size, beside the baseline's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.html.data_table import HtmlColumn, data_table
from bnexp.reports.html.marks import cell_marks
from bnexp.reports.html.markup import Markup, breakable, tag
from bnexp.reports.html.table import row_classes
from bnexp.reports.words.formatting import NOTHING
from bnexp.wording import format_bytes, format_duration, format_speed


@dataclass(frozen=True)
class Cost:
    """One figure of the price: how it is read from a cell and written."""

    header: str
    read: Callable[[CellResult], float | None]
    write: Callable[[float], str]


def render_cost(comparison: Comparison) -> Markup | None:
    """Returns the table of costs, or None where no cell has any."""
    columns = [_column(comparison, cost) for cost in COSTS if _is_known(comparison, cost)]
    if not columns:
        return None
    marks = cell_marks(comparison)
    names = tuple(
        marks[cell.cell].swatch() + tag("span", breakable(marks[cell.cell].spaced))
        for cell in comparison.cells
    )
    first = HtmlColumn("cell", names, "name first")
    note = (
        "Medians over the finished runs. ×: relative to the baseline. Times hold for this machine "
        "only, and for what else ran on it."
    )
    table = data_table([first, *columns], row_classes(comparison), "Cost of each cell")
    return table + tag("p", note, class_="method")


COSTS = (
    Cost("time a run", lambda cell: cell.elapsed_seconds, format_duration),
    Cost("images/s", lambda cell: cell.images_per_second, format_speed),
    Cost("peak memory", lambda cell: cell.peak_memory_bytes, format_bytes),
    Cost("parameters", lambda cell: cell.parameters, lambda size: f"{size:,.0f}"),
)


def _is_known(comparison: Comparison, cost: Cost) -> bool:
    return any(cost.read(cell) for cell in comparison.cells)


def _column(comparison: Comparison, cost: Cost) -> HtmlColumn:
    values = [cost.read(cell) for cell in comparison.cells]
    reference = cost.read(comparison.baseline_cell)
    cells = tuple(_cell(value, reference, values, cost) for value in values)
    return HtmlColumn(cost.header, cells, "figure cost")


def _cell(
    value: float | None, reference: float | None, values: Sequence[float | None], cost: Cost
) -> Markup:
    if value is None:
        return Markup(NOTHING)
    most = max(other or 0.0 for other in values)
    parts = [tag("span", cost.write(value), class_="amount")]
    if reference:
        parts.append(tag("span", f"{value / reference:.2f} ×", class_="ratio"))
    return tag("div", *parts, class_="pair") + _bar(value / most if most else 0.0)


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
