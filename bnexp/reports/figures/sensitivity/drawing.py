"""Draws the metric over a swept number: means, bands, seeds, and what diverged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from bnexp.reports.figures.legend import Name, Room, add_named_panel, write_names
from bnexp.reports.figures.sensitivity.lines import DOTS, Line, Sensitivity
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    Panel,
    Sheet,
    draw_reference,
    format_ticks,
    marker,
    round_ticks,
    text_width,
)
from bnexp.reports.figures.style import (
    LINE_WIDTH,
    MUTED,
    Style,
)
from bnexp.reports.words.formatting import (
    with_unit,
)

_LEAST_FOR_LOG = 8
"""The ratio of largest to smallest value from which their axis is logarithmic."""

_ROOM = Room(height=330.0, narrow_height=240.0, top=36.0, bottom=50.0)
_MARGIN = 0.06
"""Share of the axis between its ends and the values."""
_SEEDS_APART, _SEEDS_SPREAD = 5.0, 20.0
"""Pixels between the seeds of two lines at one value, and the most between those of all."""
_DIVERGED = "diverged"


def draw_sensitivity(sensitivity: Sensitivity, *, is_wide: bool) -> Sheet:
    """Returns the drawing, the names of the lines beside it if it is wide, else below it."""
    lines, names = sensitivity.lines, [line.name for line in sensitivity.lines]
    if len(lines) == 1 and not names[0].label:
        names = []
    panel = _add_panel(sensitivity, names, is_wide=is_wide)
    _draw_extras(panel, sensitivity)
    apart = min(_SEEDS_APART, _SEEDS_SPREAD / len(lines))
    for place, line in enumerate(lines):
        shift = (place - (len(lines) - 1) / 2) * apart
        (_draw_level if line.is_level else _draw_line)(panel, line, shift)
    _draw_diverging(panel, sensitivity)
    if names:
        write_names(panel, names, [_find_end(panel, line, sensitivity) for line in lines])
    return panel.sheet


def _add_panel(sensitivity: Sensitivity, names: Sequence[Name], *, is_wide: bool) -> Panel:
    """Returns the axes on a sheet with room for the names and for what diverged."""
    below, above = sensitivity.edges
    room = _ROOM._replace(top=_ROOM.top + above, bottom=_ROOM.bottom + below)
    ticks = round_ticks(*sensitivity.limits, 6 if is_wide else 5)
    left = 18 + text_width(format_ticks(ticks))
    if sensitivity.diverging:
        left = max(left, 30 + text_width([_DIVERGED]))
        room = room if is_wide else room._replace(margin=34.0)
    panel = add_named_panel(room, left, names, is_wide=is_wide)
    _draw_axes(panel, sensitivity, ticks)
    return panel


def _draw_axes(
    panel: Panel,
    sensitivity: Sensitivity,
    ticks: Sequence[float],
) -> None:
    axes, (below, above), values = panel.axes, sensitivity.edges, sensitivity.values
    scale = _set_scale(panel, values)
    axes.set_ylim(sensitivity.limits)
    panel.set_ticks("y", ticks)
    axes.xaxis.set_ticks(values, _label_ticks(panel, sensitivity))
    axes.xaxis.set_ticks([], minor=True)
    axes.tick_params(axis="x", pad=below + 3.5)
    axes.grid(axis="both")
    unit = sensitivity.extras.unit
    shown = sensitivity.shown
    name = with_unit(shown.metric, shown.unit if unit is None else unit)
    panel.sheet.write([name], 0, panel.top + above + 24, color=MUTED)
    words = with_unit(sensitivity.axis_name, scale)
    middle = (panel.left + panel.right) / 2
    panel.sheet.write([words], middle, panel.bottom - below - 36, color=MUTED, ha="center")


def _set_scale(panel: Panel, values: Sequence[float]) -> str:
    """Sets the scale of the axis and its ends, and returns what is to be said about it.

    Beside values that need a logarithmic axis, 0 stands where the axis becomes linear.
    """
    axes, positive, scale = panel.axes, [value for value in values if value > 0], ""
    if values[0] >= 0 and positive and positive[-1] >= _LEAST_FOR_LOG * positive[0]:
        scale = "log scale" if values[0] else "log scale above 0"
        options = {} if values[0] else {"linthresh": positive[0], "linscale": 0.5}
        axes.set_xscale("log" if values[0] else "symlog", **options)
    transform = axes.xaxis.get_transform()
    low, high = transform.transform(np.array([values[0], values[-1]], dtype=float))
    room = (high - low) * _MARGIN
    axes.set_xlim(*transform.inverted().transform(np.array([low - room, high + room])))
    return scale


def _label_ticks(panel: Panel, sensitivity: Sensitivity) -> list[str]:
    """Returns each value as text, or no text if it would touch the label before it."""
    labels, end = [], -1.0
    for value in sensitivity.values:
        label, (middle, _) = sensitivity.write_place(value), panel.place(value, 1)
        half = text_width([label]) / 2
        is_free = middle - half > end + 4
        labels.append(label if is_free else "")
        end = middle + half if is_free else end
    return labels


def _draw_line(panel: Panel, line: Line, shift: float) -> None:
    """Draws means, joined unless a value between them has none, with their bands and seeds."""
    axes, style, points = panel.axes, line.name.style, line.points
    at, means = [point.at for point in points], [point.mean for point in points]
    ends = np.array([point.interval or (nan, nan) for point in points])
    axes.fill_between(at, *ends.T, color=style.colour, alpha=0.14, linewidth=0)
    for point, is_alone in zip(points, _find_lonely(ends[:, 0].tolist()), strict=True):
        if point.interval and is_alone:
            look: dict[str, Any] = {"color": style.colour, "linewidth": LINE_WIDTH, "alpha": 0.4}
            axes.plot([point.at] * 2, point.interval, **look)
    seeds = [(point.at, value) for point in points for value in point.seeds]
    _draw_seeds(panel, seeds, style, shift)
    look = {"color": style.colour, "linestyle": line.name.line, "linewidth": LINE_WIDTH}
    axes.plot(at, means, **look, zorder=3, clip_on=False)
    axes.plot(at, means, **marker(style), zorder=3.1, clip_on=False)
    rings = [(point.at, point.mean) for point in points if point.is_chosen]
    ring: dict[str, Any] = {
        "color": style.colour,
        "fillstyle": "none",
        "markersize": 17,
        "mew": 1.6,
    }
    axes.plot(*np.array(rings).reshape(-1, 2).T, "o", **ring, zorder=3.2, clip_on=False)


def _draw_extras(panel: Panel, sensitivity: Sensitivity) -> None:
    """Draws the level that all are compared with, and upright lines, within the axes."""
    axes, extras = panel.axes, sensitivity.extras
    if extras.reference:
        value, words = extras.reference
        level = value * sensitivity.shown.scale
        draw_reference(panel, level, words, is_right=_is_right_free(sensitivity, level))
    left, right = axes.get_xlim()
    for place, cell in extras.rules:
        style, at = extras.styles[cell], min(max(place, left), right)
        axes.axvline(at, color=style.colour, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1.2)
        over: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(at, 1, **over, **marker(style, 0.8), zorder=3.3)


def _is_right_free(sensitivity: Sensitivity, level: float) -> bool:
    """Whether a level is farther from the lines at the right end of the axis than at the left."""
    gaps = []
    for end in (sensitivity.values[0], sensitivity.values[-1]):
        points = [point for line in sensitivity.lines for point in line.points if point.at == end]
        values = [value for point in points for value in (point.mean, *point.seeds)]
        gaps.append(min((abs(value - level) for value in values if isfinite(value)), default=inf))
    return gaps[1] > gaps[0]


def _find_lonely(values: Sequence[float]) -> list[bool]:
    """Returns for each value whether it has no finite neighbour, so that no band reaches it."""
    around = [nan, *values, nan]
    pairs = zip(around, around[2:], strict=False)
    return [not isfinite(before) and not isfinite(after) for before, after in pairs]


def _draw_level(panel: Panel, line: Line, shift: float) -> None:
    (point,), style = line.points, line.name.style
    if point.interval:
        panel.axes.axhspan(*point.interval, color=style.colour, alpha=0.1, linewidth=0)
    if isfinite(point.mean):
        look: dict[str, Any] = {"color": style.colour, "linestyle": DOTS, "linewidth": LINE_WIDTH}
        panel.axes.axhline(point.mean, **look, zorder=2.9)
    left, _ = panel.axes.get_xlim()
    _draw_seeds(panel, [(left, value) for value in point.seeds], style, abs(shift))


def _draw_seeds(
    panel: Panel, seeds: Sequence[tuple[float, float]], style: Style, shift: float
) -> None:
    """Draws the seeds, moved aside by pixels so that those of several lines can be seen."""
    from matplotlib.transforms import ScaledTranslation

    aside = ScaledTranslation(shift / 72, 0, panel.sheet.figure.dpi_scale_trans)
    xs, ys = zip(*seeds, strict=True) if seeds else ((), ())
    look: dict[str, Any] = {
        "color": style.colour,
        "markersize": 5,
        "alpha": 0.6,
        "mew": 0,
        "zorder": 2,
    }
    panel.axes.plot(xs, ys, "o", **look, transform=panel.axes.transData + aside, clip_on=False)


def _draw_diverging(panel: Panel, sensitivity: Sensitivity) -> None:
    """Draws a row for each line of which runs diverged, at the edge of the axes."""
    below, above = sensitivity.edges
    start = panel.bottom - 14 if below else panel.top + above - 8
    for row, line in enumerate(sensitivity.diverging):
        _mark_diverged(panel, line, start - LINE_HEIGHT * row)
        if row == 0:
            panel.sheet.write([_DIVERGED], panel.left - 24, start, color=MUTED, ha="right")


def _mark_diverged(panel: Panel, line: Line, height: float) -> None:
    """Draws a cross with the number of diverged runs at each value that has any."""
    from matplotlib.transforms import blended_transform_factory

    sheet, colour = panel.sheet, line.name.style.colour
    sheet.mark(line.name.style, panel.left - 12, height, size=0.8)
    points = [point for point in line.points if point.diverged]
    places = [panel.axes.get_xlim()[0] if line.is_level else point.at for point in points]
    transform = blended_transform_factory(panel.axes.transData, sheet.pixels)
    look: dict[str, Any] = {"color": colour, "marker": "x", "ls": "", "markersize": 7, "mew": 2}
    panel.axes.plot(places, [height] * len(places), transform=transform, clip_on=False, **look)
    starts = [panel.place(x, 0)[0] + 8 for x in places]
    for start, room, point in zip(starts, _find_rooms(starts), points, strict=True):
        texts = (f"{point.diverged} of {point.ended}", f"{point.diverged}/{point.ended}", "")
        text = next(text for text in texts if text_width([text]) <= room or not text)
        sheet.write([text], start, height, color=colour, fontsize=11)


def _find_rooms(starts: Sequence[float]) -> list[float]:
    """Returns the room between each start and the next cross, in a wide font."""
    return [next_one - start - 12 for start, next_one in pairwise([*starts, inf])]


def _find_end(panel: Panel, line: Line, sensitivity: Sensitivity) -> tuple[float, float] | None:
    """Returns the place of the line's last mean, or None if it does not reach the last value."""
    last, end = line.points[-1], sensitivity.values[-1]
    if not isfinite(last.mean) or not (line.is_level or last.at == end):
        return None
    x, y = panel.place(end, last.mean)
    return (panel.right if line.is_level else x), y
