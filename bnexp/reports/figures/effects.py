"""The effect plot: each cell's difference to the baseline with its interval and its seeds."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from bnexp.analysis.results import CellResult, Comparison, Difference
from bnexp.reports.figures.style import (
    MUTED,
    Style,
    cell_styles,
    describe_selection,
    new_figure,
    set_title,
    wrap_label,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import MetricFormat, format_difference, metric_format
from bnexp.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADROOM = 1.7
_ROW = 0.6
_LONGEST_LINE = 72
"""Characters of the axis' name that fit below the axes."""

_MARGIN_COLOUR = "#E3E3E3"
_SEEDS_BELOW = 0.22
"""How far below the mean, in rows, the seeds stand."""


def draw_effects(comparison: Comparison) -> Figure:
    """Draws one row a cell: the mean difference, its 95 % t interval, and a point a seed.

    Seeds that don't pair are drawn as their value minus the baseline's mean, hollow. A
    grey band holds the differences below the margin, where there is one.
    """
    rows = [cell for cell in comparison.cells if cell.difference is not None]
    labels = {cell: wrap_label(label) for cell, label in shorten_cell_names(comparison).items()}
    most_lines = max(2, *(1 + labels[cell.cell].count("\n") for cell in rows))
    figure, axes = new_figure(8.4, _HEADROOM + _ROW * most_lines / 2 * len(rows))
    write = metric_format(comparison)
    styles = cell_styles(comparison)
    if comparison.margin is not None:
        edge = comparison.margin * write.scale
        axes.axvspan(-edge, edge, color=_MARGIN_COLOUR, linewidth=0, zorder=0)
    axes.axvline(0, color="black", linewidth=1.2, zorder=1)
    for row, cell in enumerate(rows):
        _draw_row(axes, row, cell, comparison.baseline_cell, styles[cell.cell], write)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks(range(len(rows)), [labels[cell.cell] for cell in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    unit = f" ({write.difference_unit})" if write.difference_unit else ""
    baseline = shorten_cell_names(comparison)[comparison.baseline]
    axes.set_xlabel(fill(f"{comparison.metric} minus that of {baseline}{unit}", _LONGEST_LINE))
    title = f"{comparison.experiment}: effect on {comparison.metric}"
    set_title(axes, title, *describe_selection(comparison), *_captions(comparison))
    return figure


def _captions(comparison: Comparison) -> tuple[str, ...]:
    differences = [cell.difference for cell in comparison.cells if cell.difference is not None]
    has_interval = any(difference.ci_low is not None for difference in differences)
    interval = " with its 95 % t interval" if has_interval else ""
    parts = [f"large: mean difference{interval}", "small: single seeds"]
    if comparison.margin is not None:
        margin = metric_format(comparison).margin(comparison.margin)
        parts.append(f"grey: less than {margin}")
    if sum(difference.p_holm is not None for difference in differences) < 2:
        return ("   ".join(parts),)
    note = "each interval holds for its comparison alone, the verdict follows Holm's adjusted p"
    return "   ".join(parts), note


def _draw_row(
    axes: Axes, row: int, cell: CellResult, baseline: CellResult, style: Style, write: MetricFormat
) -> None:
    difference = cell.difference
    if difference is None:
        return
    centre = difference.mean * write.scale
    if difference.ci_low is not None and difference.ci_high is not None:
        bounds = [difference.ci_low * write.scale, difference.ci_high * write.scale]
        axes.plot(bounds, [row, row], "|-", color=style.colour, linewidth=2, markersize=11)
    axes.plot([centre], [row], style.marker, color=style.colour, markersize=9, zorder=4)
    seeds = [value * write.scale for value in seed_differences(cell, difference, baseline)]
    axes.plot(
        seeds,
        [row + _SEEDS_BELOW] * len(seeds),
        "o",
        color=style.colour,
        markerfacecolor=style.colour if difference.is_paired else "white",
        markersize=4,
        alpha=0.75,
    )
    _write_beside(axes, row, 7, format_difference(difference, write), "black")
    described = f"{difference.verdict}, {_describe_seeds(cell, difference, baseline)}"
    _write_beside(axes, row, -7, described, MUTED)


def _write_beside(axes: Axes, row: int, raised: float, text: str, colour: str) -> None:
    """Writes to the right of a row, `raised` points above its middle."""
    place = axes.get_yaxis_transform()
    offset = (0.0, raised)
    axes.annotate(
        text, (1.02, row), offset, place, "offset points", va="center", fontsize=9, color=colour
    )


def seed_differences(cell: CellResult, difference: Difference, baseline: CellResult) -> list[float]:
    """Returns each seed's difference; to the baseline's mean where seeds don't pair."""
    if difference.is_paired:
        return list(difference.by_seed.values())
    return [value - (baseline.mean or 0.0) for value in cell.values.values()]


def _describe_seeds(cell: CellResult, difference: Difference, baseline: CellResult) -> str:
    if difference.is_paired:
        return f"n = {count(difference.n, 'pair')}"
    return f"n = {cell.n} against {baseline.n}"
