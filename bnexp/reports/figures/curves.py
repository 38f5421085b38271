"""Learning curves: how the metric of each cell moves over the epochs, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from math import isfinite
from statistics import mean
from typing import TYPE_CHECKING

from bnexp.analysis.results import CellResult, Comparison
from bnexp.analysis.stats.intervals import t_interval
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
from bnexp.reports.words.formatting import MetricFormat, metric_format

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_WITH_BANDS = 8
"""Cells beyond which bands and single seeds would only hide the means."""

LEAST_FOR_BAND = 3
"""Seeds below which a t interval (12.7 standard errors at two) says nothing and hides all."""

_PALE = 0.15
"""Opacity of a band, through which others are seen."""


def draw_learning_curves(comparison: Comparison) -> Figure:
    """Draws the metric after each epoch: a mean and a 95 % t band a cell, a thin line a seed.

    With more cells than colours only the means are drawn.
    """
    from matplotlib.ticker import MaxNLocator

    is_crowded = len(comparison.cells) > _MOST_WITH_BANDS
    legend = _describe_lines(comparison, is_crowded)
    line = 0.24 if is_crowded else 0.23
    lines = sum(1 + text.count("\n") for text in legend.values())
    figure, axes = new_figure(8.4, max(4.6, 1.4 + line * lines))
    write = metric_format(comparison)
    _draw_cells(axes, comparison, legend, write, is_crowded)
    _draw_target(axes, comparison, write)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{comparison.metric} ({write.unit})" if write.unit else comparison.metric)
    if max(len(curve) for cell in comparison.cells for curve in cell.curves.values()) == 1:
        axes.set_xlim(0.5, 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, axis="y")
    spacing = 0.3 if is_crowded else 0.8
    beside = (1.0, 0.5)
    axes.legend(loc="center left", bbox_to_anchor=beside, handlelength=3.4, labelspacing=spacing)
    title = f"{comparison.experiment}: {comparison.metric}"
    set_title(axes, title, *describe_selection(comparison), _caption(comparison, is_crowded))
    return figure


def _describe_lines(comparison: Comparison, is_crowded: bool) -> dict[str, str]:
    """Returns what the legend says of each cell: its label, its seeds, what diverged."""
    labels, separator = shorten_cell_names(comparison), ", " if is_crowded else "\n"
    is_same_n = len({cell.n for cell in comparison.cells}) == 1
    lines = {}
    for cell in comparison.cells:
        number = "" if is_crowded and is_same_n else f"{separator}n = {cell.n}"
        diverged = f", {cell.diverged} diverged" if cell.diverged else ""
        lines[cell.cell] = f"{wrap_label(labels[cell.cell])}{number}{diverged}"
    return lines


def finished_curves(cell: CellResult) -> list[tuple[float, ...]]:
    """Returns the curve of each finished run that has one."""
    return [curve for seed, curve in cell.curves.items() if seed in cell.values and curve]


def _caption(comparison: Comparison, is_crowded: bool) -> str:
    sizes = {cell.n for cell in comparison.cells}
    mean_over = f"n = {min(sizes)}" if len(sizes) == 1 else "n"
    parts = ["line: one seed" if sizes == {1} else f"line: mean over {mean_over} seeds"]
    if not is_crowded:
        least = f", from {LEAST_FOR_BAND} seeds on" if 2 in sizes else ""
        parts += [f"band: its 95 % t interval{least}", "thin: single seeds"]
        if any(cell.diverged for cell in comparison.cells):
            parts.append("×: diverged")
    return "   ".join(parts)


def _draw_cells(
    axes: Axes,
    comparison: Comparison,
    legend: Mapping[str, str],
    write: MetricFormat,
    is_crowded: bool,
) -> None:
    styles = cell_styles(comparison)
    axes.margins(x=0.02, y=0.06)
    if not is_crowded:
        for cell in comparison.cells:
            _draw_seeds(axes, cell, styles[cell.cell], write)
        axes.set_ylim(axes.get_ylim())  # a wide band must not flatten the lines
    for cell in comparison.cells:
        _draw_mean(axes, cell, styles[cell.cell], write, legend[cell.cell])
        if not is_crowded:
            _draw_band(axes, cell, styles[cell.cell], write)


def _draw_seeds(axes: Axes, cell: CellResult, style: Style, write: MetricFormat) -> None:
    for seed, curve in cell.curves.items():
        points = [
            (epoch, value * write.scale)
            for epoch, value in enumerate(curve, start=1)
            if isfinite(value)
        ]
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        dot = "." if len(epochs) == 1 else ""
        axes.plot(
            epochs, values, color=style.colour, linewidth=0.8, marker=dot, alpha=0.4, zorder=2
        )
        if seed not in cell.values:
            axes.plot(epochs[-1:], values[-1:], "x", color=style.colour, markersize=8, zorder=4)


def _draw_mean(axes: Axes, cell: CellResult, style: Style, write: MetricFormat, label: str) -> None:
    means = [mean(values) * write.scale for values in values_by_epoch(cell)]
    axes.plot(
        range(1, len(means) + 1),
        means,
        color=style.colour,
        linestyle=style.line,
        linewidth=2,
        marker=style.marker,
        markersize=5.5,
        markevery=max(1, len(means) // 10),
        label=label,
        zorder=3,
    )


def _draw_band(axes: Axes, cell: CellResult, style: Style, write: MetricFormat) -> None:
    bands = [band for values in values_by_epoch(cell) if (band := t_interval(values)) is not None]
    if not bands or cell.n < LEAST_FOR_BAND:
        return
    lows, highs = ([getattr(band, end) * write.scale for band in bands] for end in ("low", "high"))
    if len(bands) == 1:
        axes.vlines([1], lows, highs, color=style.colour, alpha=_PALE, linewidth=10)
        return
    epochs = range(1, len(bands) + 1)
    axes.fill_between(epochs, lows, highs, color=style.colour, alpha=_PALE, linewidth=0)


def values_by_epoch(cell: CellResult) -> list[tuple[float, ...]]:
    """Returns the finished runs' values of each epoch that all of them have, all finite."""
    epochs = zip(*finished_curves(cell), strict=False)
    return list(takewhile(lambda values: all(map(isfinite, values)), epochs))


def _draw_target(axes: Axes, comparison: Comparison, write: MetricFormat) -> None:
    if comparison.target is None:
        return
    height = comparison.target * write.scale
    low, high = axes.get_ylim()
    if low < height < high:
        label = f"target {write.value(comparison.target)}"
        axes.axhline(height, color=MUTED, linewidth=1, linestyle=":", zorder=1, label=label)
