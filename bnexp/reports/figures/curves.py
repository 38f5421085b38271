"""Learning curves: how accuracy and loss of each cell move over the epochs, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.metrics import better_direction, curve_tags, natural_range, split_tag
from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.aggregates import Curve, aggregate
from bnexp.reports.figures.legend import (
    BELOW_AXES,
    Name,
    measure_names,
    write_below,
    write_beside,
)
from bnexp.reports.figures.sheet import (
    NARROW,
    WIDE,
    Chart,
    Panel,
    Sheet,
    format_ticks,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    text_width,
)
from bnexp.reports.figures.style import (
    LEAST_FOR_BAND,
    LINE_WIDTH,
    MOST_WITH_BANDS,
    MUTED,
    PAPER,
    Style,
    cell_styles,
    describe_bands,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import MetricFormat, metric_format, with_unit
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOP, _BOTTOM = 34.0, 46.0
_BETWEEN = 26.0
"""Pixels between two panels side by side."""
_HEIGHT, _NARROW_HEIGHT = 320.0, 210.0
"""Of the axes, unless the names beside them need more."""

_DASHES = (0, (3.2, 1.8))

Points = list[tuple[float, float]]
"""Epoch and value, where the value is finite."""


@dataclass(frozen=True)
class Line:
    """One cell's curves in a panel, their values in the unit that is shown."""

    style: Style
    curve: Curve
    """Over the finished runs; without an interval if no band is drawn."""
    dashed: Sequence[float]
    """The mean of the same runs' other tag, e.g. that of training; empty if there is none."""
    finished: list[Points]
    diverged: list[Points]
    shift: float
    """Epochs by which it is moved aside, so that runs of one epoch stand side by side."""


@dataclass(frozen=True)
class Plot:
    """What one panel shows; values in the unit that is shown."""

    tags: tuple[str, ...]
    """The tag of the solid lines, then that of the dashed ones, if there are any."""
    lines: tuple[Line, ...]
    shown: MetricFormat
    limits: tuple[float, float]
    target: float | None
    epochs: int
    is_crowded: bool
    is_cut: bool
    """Whether a mean leaves the panel at the top."""

    @property
    def kind(self) -> str:
        """What the vertical axis shows: the kind of several tags, or the only tag."""
        return self.tags[0] if len(self.tags) == 1 else split_tag(self.tags[0])[1]


def build_curves(comparison: Comparison) -> Chart | None:
    """Returns the figure of the curves over the epochs, or None if no run has one of the metric.

    A panel shows the metric, others the accuracy and loss that go with it: solid on the images
    that are compared, dashed in training. Each has a mean per cell, and for the solid line a
    95 % t band and a thin line per seed; with more than `MOST_WITH_BANDS` cells, only the
    means. The values reach from the lowest to the highest of what is drawn of finished runs;
    wider bands and diverged runs are cut off there, so that they don't flatten the other lines.
    """
    plots = [
        *filter(None, (_build_plot(comparison, tags) for tags in curve_tags(comparison.metric)))
    ]
    is_shown = any(comparison.metric in plot.tags for plot in plots)
    if not plots or not (is_shown or is_diagnostic(comparison.metric)):
        return None
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    is_same_n = len({cell.n for cell in comparison.cells}) == 1
    names = [
        Name(labels[cell.cell], _describe_counts(cell, is_same_n=is_same_n), styles[cell.cell])
        for cell in comparison.cells
    ]
    return Chart(
        "Learning curves",
        f"{comparison.experiment}: {_join([plot.kind for plot in plots])} after each epoch",
        _caption(comparison, plots),
        _describe(comparison),
        lambda is_wide: (_draw_wide if is_wide else _draw_narrow)(plots, names),
        describe_selection(comparison.where),
    )


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _build_plot(comparison: Comparison, wanted: Sequence[str]) -> Plot | None:
    """Returns the panel of those of the tags that some run has a curve of.

    A diagnostic that is not measured in each epoch has none, but a figure over the steps.
    """
    tags = tuple(tag for tag in wanted if any(tag in cell.curves for cell in comparison.cells))
    if not tags:
        return None
    is_metric = comparison.metric in tags
    shown = metric_format(comparison) if is_metric else MetricFormat(tags[0], 3)
    is_crowded = len(comparison.cells) > MOST_WITH_BANDS
    lines = tuple(_build_lines(comparison, tags, shown.scale, is_crowded=is_crowded))
    means = [value for line in lines for value in (*line.curve.mean, *line.dashed)]
    if not means and is_diagnostic(tags[0]):
        return None
    finished = [value for line in lines for run in line.finished for _, value in run]
    diverged = [value for line in lines for run in line.diverged for _, value in run]
    values = means + ([] if is_crowded else finished) or diverged
    if not values:
        return None
    low, high = (end * shown.scale for end in natural_range(tags[0]))
    top = _find_top(lines) if low == 0 and high == inf else high
    lengths = (
        len(run) for cell in comparison.cells for run in cell.curves.get(tags[0], {}).values()
    )
    return Plot(
        tags,
        lines,
        shown,
        pad_limits((min(value, top) for value in values), 0.06, (low, high)),
        comparison.target if is_metric else None,
        max(lengths),
        is_crowded,
        is_cut=bool(means) and max(means) > top,
    )


def _find_top(lines: Sequence[Line]) -> float:
    """Returns the value above which an outlier is cut off, so that the rest can be seen.

    It is three times what half of the lines begin with, or what the highest of them ends with.
    """
    means = [mean for line in lines for mean in (line.curve.mean, line.dashed) if len(mean)]
    if not means:
        return inf
    return 3 * max(median_low(mean[0] for mean in means), *(mean[-1] for mean in means))


def _build_lines(
    comparison: Comparison, tags: Sequence[str], scale: float, *, is_crowded: bool
) -> Iterator[Line]:
    styles, bounds = cell_styles(comparison), natural_range(tags[0])
    is_single = all(
        len(run) < 2 for cell in comparison.cells for run in cell.curves.get(tags[0], {}).values()
    )
    for place, cell in enumerate(comparison.cells):
        shift = ((place + 0.5) / len(comparison.cells) - 0.5) * 0.8 if is_single else 0.0
        runs = cell.curves.get(tags[0], {})
        finished = [curve for seed, curve in runs.items() if seed in cell.values]
        diverged = [curve for seed, curve in runs.items() if seed not in cell.values]
        curve = _scale(aggregate(finished, bounds), scale)
        dashed = [
            curve
            for tag in tags[1:]
            for seed, curve in cell.curves.get(tag, {}).items()
            if seed in cell.values
        ]
        yield Line(
            styles[cell.cell],
            Curve(curve.mean) if is_crowded or cell.n < LEAST_FOR_BAND else curve,
            _scale(aggregate(dashed), scale).mean,
            _find_points(finished, shift, scale),
            _find_points(diverged, shift, scale),
            shift,
        )


def _scale(curve: Curve, scale: float) -> Curve:
    return Curve(*(np.multiply(values, scale).tolist() for values in curve))


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


def _caption(comparison: Comparison, plots: Sequence[Plot]) -> str:
    sizes, plot = {cell.n for cell in comparison.cells}, plots[0]
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "n seeds"
    line, band, thin = (
        ("Line", "Band", "Thin") if plot.epochs > 1 else ("Large marker", "Bar", "Small")
    )
    parts = [f"{line}: mean over {seeds} after each epoch."] if max(sizes) else []
    if pair := next((plot.tags for plot in plots if len(plot.tags) > 1), ()):
        solid, dashed = (split_tag(tag)[0] for tag in pair)
        parts.append(f"Solid: {solid}; dashed: {dashed}.")
    if not plot.is_crowded:
        if max(sizes) >= LEAST_FOR_BAND:
            parts.append(describe_bands(band, sizes))
        parts.append(f"{thin}: single seeds.")
        if any(line.diverged for line in plot.lines):
            parts.append("×: last finite value of a diverged run.")
    if any(plot.is_cut for plot in plots):
        parts.append("Values above a panel are cut off.")
    return " ".join(parts)


def _describe(comparison: Comparison) -> str:
    labels, shown = shorten_cell_names(comparison), metric_format(comparison)
    return "; ".join(
        f"{space_label(labels[cell.cell])}: "
        + ("no finished run" if cell.mean is None else f"{shown.value(cell.mean)} at the end")
        for cell in comparison.cells
    )


def _draw_wide(plots: Sequence[Plot], names: Sequence[Name]) -> Sheet:
    """Draws the panels side by side, that of the metric beside the names."""
    beside, height = measure_names(names, is_wide=True)
    sheet = Sheet(WIDE, max(_HEIGHT, height) + _TOP + _BOTTOM)
    rooms = [_room_for_ticks(plot, 6) for plot in plots]
    free = WIDE - beside - sum(rooms) - _BETWEEN * (len(plots) - 1)
    right = WIDE - beside
    for place, (plot, room) in enumerate(zip(plots, rooms, strict=True)):
        left = right - free / len(plots)
        panel = sheet.add_panel(left, _BOTTOM, right, sheet.height - _TOP)
        _draw_panel(panel, plot, 6)
        if place == 0:
            write_beside(panel, names, [_find_end(panel, line, plot) for line in plot.lines])
        right = left - room - _BETWEEN
    return sheet


def _draw_narrow(plots: Sequence[Plot], names: Sequence[Name]) -> Sheet:
    """Draws the panels below each other, that of the metric at the top, and then the names."""
    _, below = measure_names(names, is_wide=False)
    each = _TOP + _NARROW_HEIGHT + _BOTTOM
    sheet = Sheet(NARROW, each * len(plots) + BELOW_AXES + below)
    left = max(_room_for_ticks(plot, 5) for plot in plots)
    for place, plot in enumerate(plots):
        top = sheet.height - each * place - _TOP
        panel = sheet.add_panel(left, top - _NARROW_HEIGHT, NARROW - 14, top)
        _draw_panel(panel, plot, 5)
    write_below(sheet, names)
    return sheet


def _room_for_ticks(plot: Plot, most: int) -> float:
    return 18 + text_width(format_ticks(round_ticks(*plot.limits, most)))


def _find_end(panel: Panel, line: Line, plot: Plot) -> tuple[float, float] | None:
    mean, (low, high) = line.curve.mean, plot.limits
    if not mean:
        return None
    x, y = panel.place(len(mean), min(max(mean[-1], low), high))
    return (panel.right if plot.epochs == 1 else x), y


def _draw_panel(panel: Panel, plot: Plot, most: int) -> None:
    axes, is_single = panel.axes, plot.epochs == 1
    axes.set_ylim(plot.limits)
    axes.set_xlim(*((0.5, 1.5) if is_single else (1, plot.epochs)))
    epochs = round_ticks(1, plot.epochs, most, is_whole=True)
    panel.set_ticks("x", epochs if epochs[:1] in ((1.0,), (2.0,)) else (1.0, *epochs))
    panel.set_ticks("y", round_ticks(*plot.limits, most))
    axes.grid(axis="y")
    name = with_unit(plot.kind, plot.shown.unit)
    panel.sheet.write([name], panel.left - 8, panel.top + 22, color=MUTED)
    panel.sheet.write(["epoch"], panel.right, panel.bottom - 34, color=MUTED, ha="right")
    if len(plot.tags) > 1:
        _explain_lines(panel, plot, panel.left + text_width([name]))
    if plot.target is not None:
        _draw_target(axes, plot, plot.target)
    for line in plot.lines:
        _draw_line(axes, line, plot)


def _explain_lines(panel: Panel, plot: Plot, left: float) -> None:
    """Writes what solid and dashed lines are above the panel, if there is room right of `left`."""
    words = [split_tag(tag)[0] for tag in plot.tags]
    starts = [panel.right - text_width([words[1]])]
    starts.insert(0, starts[0] - 44 - text_width([words[0]]))
    if starts[0] - 30 < left:
        return
    height = panel.top + 22
    for word, start, line in zip(words, starts, ("-", _DASHES), strict=True):
        panel.sheet.write([word], start, height, color=MUTED)
        look = {"color": MUTED, "linestyle": line, "linewidth": 1.6}
        panel.sheet.rule((start - 30, start - 6), (height, height), **look)


def _draw_target(axes: Axes, plot: Plot, target: float) -> None:
    """Draws the target, if the axis shows it; its name stands where no curve begins."""
    low, high = plot.limits
    value = target * plot.shown.scale
    if not low < value < high:
        return
    is_above = better_direction(plot.shown.metric) >= 0
    axes.axhline(value, color=MUTED, linewidth=1.2, linestyle=(0, (1.2, 3.3)), zorder=1)
    axes.annotate(
        f"target {plot.shown.value(target)}",
        (0, value),
        (10, 6 if is_above else -6),
        axes.get_yaxis_transform(),
        "offset points",
        va="bottom" if is_above else "top",
        color=MUTED,
        zorder=2.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def _draw_line(axes: Axes, line: Line, plot: Plot) -> None:
    colour, (mean, low, high) = line.style.colour, line.curve
    at = np.arange(1, len(mean) + 1) + line.shift
    if len(low) == 1:
        axes.plot([*at, *at], [*low, *high], color=colour, linewidth=LINE_WIDTH)
    elif low:
        axes.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0)
    if not plot.is_crowded:
        _draw_seeds(axes, line, plot)
    _draw_dashed(axes, line, plot)
    axes.plot(at, mean, color=colour, linewidth=LINE_WIDTH, zorder=3, clip_on=plot.is_cut)
    marks = np.array([*zip(at, mean, strict=True)][:: max(1, len(at) // 10)]).reshape(-1, 2)
    marks = marks[marks[:, 1] <= plot.limits[1]]
    axes.plot(*marks.T, **marker(line.style), zorder=3.1, clip_on=False)


def _draw_dashed(axes: Axes, line: Line, plot: Plot) -> None:
    """Draws the mean of the other tag, a short dash for runs of one epoch."""
    at = np.arange(1, len(line.dashed) + 1) + line.shift
    look: dict[str, Any] = {"color": line.style.colour, "zorder": 2.8, "clip_on": plot.is_cut}
    if len(at) == 1:
        axes.plot(at, line.dashed, marker="_", markersize=16, mew=2, ls="", **look)
    else:
        axes.plot(at, line.dashed, linestyle=_DASHES, linewidth=1.6, **look)


def _draw_seeds(axes: Axes, line: Line, plot: Plot) -> None:
    """Draws thin lines, or dots for runs of one epoch, and a cross where a run diverged."""
    runs = (*line.finished, *line.diverged)
    joined = [point for run in runs if len(run) > 1 for point in (*run, (nan, nan))]
    dots = [run[0] for run in runs if len(run) == 1]
    ends = [(run[-1][0], float(np.clip(run[-1][1], *plot.limits))) for run in line.diverged]
    looks: tuple[tuple[Points, dict[str, Any]], ...] = (
        (joined, {"linewidth": 1, "alpha": 0.4, "zorder": 2}),
        (dots, {"marker": "o", "ls": "", "markersize": 5.2, "alpha": 0.75, "mew": 0, "zorder": 2}),
        (ends, {"marker": "x", "ls": "", "markersize": 9, "mew": 2, "zorder": 2.9}),
    )
    for points, look in looks:
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=line.style.colour, clip_on=points is not ends, **look)
