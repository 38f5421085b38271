"""Learning curves: how the metric of each cell moves over the epochs, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.aggregates import Curve, aggregate
from bnexp.reports.figures.sheet import (
    LEGEND_LINE,
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Chart,
    Sheet,
    format_ticks,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    spread,
    stroke,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import LINE_WIDTH, MUTED, PAPER, Style, cell_styles
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import MetricFormat, metric_format, with_unit
from bnexp.reports.words.headings import describe_selection
from bnexp.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WITH_BANDS = 8
"""Cells beyond which bands and single seeds would only hide the means."""

LEAST_FOR_BAND = 3
"""Seeds below which a t interval (12.7 standard errors at two) says nothing and hides all."""

_TOP, _BOTTOM = 34.0, 46.0
_BELOW = 8.0
"""Pixels between the axes' words and the names below them."""
_GAP = 4.0
"""Pixels between two names."""

Points = list[tuple[float, float]]
"""Epoch and value, where the value is finite."""


@dataclass(frozen=True)
class Line:
    """One cell's curve, its values in the unit that is shown."""

    label: str
    counts: str
    """Its seeds, unless all cells have as many, and how many of them diverged."""
    style: Style
    curve: Curve
    """Over the finished runs; without an interval if no band is drawn."""
    finished: list[Points]
    diverged: list[Points]
    shift: float
    """Epochs by which it is moved aside, so that runs of one epoch stand side by side."""

    def name(self, *, is_wide: bool) -> tuple[str, ...]:
        """Returns label and counts in lines that fit beside the axes, or below them."""
        if is_wide:
            return (*wrap_label(self.label), *filter(None, [self.counts]))
        return wrap_label(with_unit(self.label, self.counts), 44)


@dataclass(frozen=True)
class Curves:
    """All that a drawing of the curves shows; values in the unit that is shown."""

    lines: tuple[Line, ...]
    shown: MetricFormat
    limits: tuple[float, float]
    epochs: int
    target: float | None
    is_crowded: bool


def build_curves(comparison: Comparison) -> Chart | None:
    """Returns the figure of the metric after each epoch, or None if no run has a curve.

    It shows a mean and a 95 % t band per cell and a thin line per seed; with more than
    `MOST_WITH_BANDS` cells, only the means. The values reach from the lowest to the highest
    of what is drawn of finished runs; wider bands and diverged runs are cut off there, so
    that they don't flatten the other lines.
    """
    shown = metric_format(comparison)
    is_crowded = len(comparison.cells) > MOST_WITH_BANDS
    lines = tuple(_build_lines(comparison, shown, is_crowded))
    means = [value for line in lines for value in line.curve.mean]
    finished = [value for line in lines for run in line.finished for _, value in run]
    diverged = [value for line in lines for run in line.diverged for _, value in run]
    values = (means if is_crowded else finished) or diverged
    if not values:
        return None
    curves = Curves(
        lines,
        shown,
        pad_limits(values, 0.06, (0.0, 100.0) if shown.unit == "%" else None),
        max(len(curve) for cell in comparison.cells for curve in cell.curves.values()),
        comparison.target,
        is_crowded,
    )
    return Chart(
        f"{comparison.experiment}: {comparison.metric} after each epoch",
        _caption(comparison, curves),
        _describe(comparison, shown),
        lambda is_wide: _draw(curves, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def _build_lines(comparison: Comparison, shown: MetricFormat, is_crowded: bool) -> Iterator[Line]:
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    is_same_n = len({cell.n for cell in comparison.cells}) == 1
    is_single = all(len(curve) < 2 for cell in comparison.cells for curve in cell.curves.values())
    for place, cell in enumerate(comparison.cells):
        shift = ((place + 0.5) / len(comparison.cells) - 0.5) * 0.8 if is_single else 0.0
        finished = [curve for seed, curve in cell.curves.items() if seed in cell.values]
        diverged = [curve for seed, curve in cell.curves.items() if seed not in cell.values]
        curve = aggregate(np.multiply(run, shown.scale).tolist() for run in finished)
        yield Line(
            labels[cell.cell],
            _describe_counts(cell, is_same_n=is_same_n),
            styles[cell.cell],
            Curve(curve.mean) if is_crowded or cell.n < LEAST_FOR_BAND else curve,
            _find_points(finished, shift, shown.scale),
            _find_points(diverged, shift, shown.scale),
            shift,
        )


def _find_points(curves: Iterable[Sequence[float]], shift: float, scale: float) -> list[Points]:
    """Returns the finite points of each curve that has any."""
    runs = (
        [(epoch + shift, value * scale) for epoch, value in enumerate(curve, 1) if isfinite(value)]
        for curve in curves
    )
    return [*filter(None, runs)]


def _describe_counts(cell: CellResult, *, is_same_n: bool) -> str:
    parts = [] if is_same_n else [f"n = {cell.n}"]
    return ", ".join([*parts, *([f"{cell.diverged} diverged"] if cell.diverged else [])])


def _caption(comparison: Comparison, curves: Curves) -> str:
    sizes = {cell.n for cell in comparison.cells}
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "n seeds"
    line, band, thin = ("Line", "Band", "Thin") if curves.epochs > 1 else ("Large", "Bar", "Small")
    parts = [f"{line}: mean over {seeds} after each epoch."] if max(sizes) else []
    if not curves.is_crowded:
        if max(sizes) >= LEAST_FOR_BAND:
            parts.append(f"{band}: its 95 % t interval, for {LEAST_FOR_BAND} seeds or more.")
        parts.append(f"{thin}: single seeds.")
        if any(line.diverged for line in curves.lines):
            parts.append("×: last finite value of a diverged run.")
    return " ".join(parts)


def _describe(comparison: Comparison, shown: MetricFormat) -> str:
    labels = shorten_cell_names(comparison)
    return "; ".join(
        f"{space_label(labels[cell.cell])}: "
        + ("no finished run" if cell.mean is None else f"{shown.value(cell.mean)} at the end")
        for cell in comparison.cells
    )


def _draw(curves: Curves, *, is_wide: bool) -> Sheet:
    rows = round_ticks(*curves.limits, 6 if is_wide else 5)
    left = 18 + text_width(format_ticks(rows))
    names = [line.name(is_wide=is_wide) for line in curves.lines]
    below = sum(LINE_HEIGHT * len(name) + _GAP for name in names)
    if is_wide:
        beside = 40 + text_width(text for name in names for text in name)
        height = max(400.0, below + _TOP + _BOTTOM)
        sheet = Sheet(WIDE, height, (left, _TOP, beside, _BOTTOM))
    else:
        sheet = Sheet(NARROW, 300 + _BELOW + below, (left, _TOP, 14, _BOTTOM + _BELOW + below))
    _draw_axes(sheet, curves, rows, is_wide=is_wide)
    for line in curves.lines:
        _draw_line(sheet.axes, line, curves)
    (_write_beside if is_wide else _write_below)(sheet, curves, names)
    return sheet


def _draw_axes(sheet: Sheet, curves: Curves, rows: Sequence[float], *, is_wide: bool) -> None:
    axes, is_single = sheet.axes, curves.epochs == 1
    axes.set_ylim(curves.limits)
    axes.set_xlim(*((0.5, 1.5) if is_single else (1, curves.epochs)))
    epochs = round_ticks(1, curves.epochs, 10 if is_wide else 6, is_whole=True)
    sheet.set_ticks("x", epochs if epochs[:1] in ((1.0,), (2.0,)) else (1.0, *epochs))
    sheet.set_ticks("y", rows)
    axes.grid(axis="y")
    name = with_unit(curves.shown.metric, curves.shown.unit)
    sheet.write([name], 0, sheet.top + 25, color=MUTED)
    sheet.write(["epoch"], sheet.right, sheet.bottom - 34, color=MUTED, ha="right")
    if curves.target is not None:
        _draw_target(axes, curves, curves.target)


def _draw_target(axes: Axes, curves: Curves, target: float) -> None:
    """Draws the target, if the axis shows it; its name stands where no curve begins."""
    low, high = curves.limits
    value = target * curves.shown.scale
    if not low < value < high:
        return
    is_above = better_direction(curves.shown.metric) >= 0
    axes.axhline(value, color=MUTED, linewidth=1.2, linestyle=(0, (1.7, 3.3)), zorder=1)
    axes.annotate(
        f"target {curves.shown.value(target)}",
        (0, value),
        (10, 6 if is_above else -6),
        axes.get_yaxis_transform(),
        "offset points",
        va="bottom" if is_above else "top",
        color=MUTED,
        zorder=2.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def _draw_line(axes: Axes, line: Line, curves: Curves) -> None:
    colour, (mean, low, high) = line.style.colour, line.curve
    at = np.arange(1, len(mean) + 1) + line.shift
    if len(low) == 1:
        axes.plot([*at, *at], [*low, *high], color=colour, linewidth=LINE_WIDTH)
    elif low:
        axes.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0)
    if not curves.is_crowded:
        _draw_seeds(axes, line, curves)
    axes.plot(at, mean, **stroke(line.style), zorder=3, clip_on=False)
    every = slice(None, None, max(1, len(at) // 10))
    axes.plot(at[every], mean[every], **marker(line.style), zorder=3.1, clip_on=False)


def _draw_seeds(axes: Axes, line: Line, curves: Curves) -> None:
    """Draws thin lines, or dots for runs of one epoch, and a cross where a run diverged."""
    runs = (*line.finished, *line.diverged)
    joined = [point for run in runs if len(run) > 1 for point in (*run, (nan, nan))]
    dots = [run[0] for run in runs if len(run) == 1]
    ends = [(run[-1][0], float(np.clip(run[-1][1], *curves.limits))) for run in line.diverged]
    looks: tuple[tuple[Points, dict[str, Any]], ...] = (
        (joined, {"linewidth": 1, "alpha": 0.4, "zorder": 2}),
        (dots, {"marker": "o", "ls": "", "markersize": 5.2, "alpha": 0.75, "mew": 0, "zorder": 2}),
        (ends, {"marker": "x", "ls": "", "markersize": 9, "mew": 2, "zorder": 2.9}),
    )
    for points, look in looks:
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=line.style.colour, clip_on=points is not ends, **look)


def _write_beside(sheet: Sheet, curves: Curves, names: Sequence[Sequence[str]]) -> None:
    """Writes each cell's name to the right of its line's end, moved apart if they'd touch."""
    low, high = curves.limits
    places = [
        sheet.place(len(line.curve.mean), min(max(line.curve.mean[-1], low), high))
        if line.curve.mean
        else (sheet.right, sheet.bottom)
        for line in curves.lines
    ]
    heights = [LINE_HEIGHT * len(name) + _GAP for name in names]
    middles = spread([y for _, y in places], heights, sheet.bottom - 10, sheet.top + 10)
    for line, name, (x, y), middle in zip(curves.lines, names, places, middles, strict=True):
        if line.curve.mean:
            xs = ((sheet.right if curves.epochs == 1 else x) + 7, sheet.right + 14)
            sheet.rule(xs, (y, middle), color=line.style.colour, linewidth=1, alpha=0.7)
        sheet.mark(line.style, sheet.right + 22, middle)
        sheet.write(name, sheet.right + 32, middle)


def _write_below(sheet: Sheet, curves: Curves, names: Sequence[Sequence[str]]) -> None:
    """Writes each cell's name below the axes, after a piece of its line."""
    top = sheet.bottom - _BOTTOM - _BELOW
    for line, name in zip(curves.lines, names, strict=True):
        middle = top - LINE_HEIGHT * len(name) / 2
        sheet.mark(line.style, LEGEND_LINE / 2, top - LINE_HEIGHT / 2, has_line=True)
        sheet.write(name, LEGEND_LINE + 8, middle)
        top -= LINE_HEIGHT * len(name) + _GAP
