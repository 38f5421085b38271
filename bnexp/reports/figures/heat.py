"""Heat maps: a colour scale for all of a figure's panels, and panels of coloured rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.reports.figures.sheet import (
    Panel,
    Sheet,
    format_ticks,
    round_ticks,
    text_width,
)
from bnexp.reports.figures.style import GRID, LEAST_FOR_LOG, MUTED

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 48
"""Colours of a scale: finer steps cannot be told apart, and would only make the drawing larger."""
_LEAST_POSITIVE = 0.95
"""The share of values above 0 from which the scale may be logarithmic, with no place for others."""
_MOST_STRETCH = 10.0
"""How much longer than from the 2nd to the 98th percentile a linear scale may be."""

_BAR_WIDTH, _BAR_HEIGHT = 230.0, 10.0
BAR_ROOM = 34.0
"""Pixels that the colour bar takes, with the numbers below it."""

Rows = Sequence[Sequence[float]]
"""A value per column in each row; NaN is a missing value, an empty row is none at all."""


@dataclass(frozen=True)
class ColourScale:
    """From values to colours, in even steps of lightness that colour-blind readers see as well."""

    low: float
    high: float
    is_log: bool
    is_signed: bool
    """Whether 0 is in the middle, and below it is another colour than above."""
    is_cut: bool
    """Whether some values lie beyond its ends."""

    @classmethod
    def of(cls, values: Iterable[float]) -> ColourScale:
        """Returns the scale that shows the values, of which at least one is finite.

        It is logarithmic if they are positive, but for a few zeros, and far apart. Otherwise a few
        outliers are beyond its ends, rather than giving all others one colour.
        """
        found = np.array([value for value in values if isfinite(value)])
        low, high = float(found.min()), float(found.max())
        positive = found[found > 0]
        is_positive = low >= 0 and positive.size >= _LEAST_POSITIVE * found.size
        if is_positive and high >= LEAST_FOR_LOG * positive.min():
            return cls(float(positive.min()), high, True, False, low == 0)
        start, end = (float(value) for value in np.quantile(found, (0.02, 0.98)))
        is_cut = high - low > _MOST_STRETCH * (end - start) > 0
        if is_cut:
            low, high = start, end
        is_signed = low < 0 < high
        if is_signed:
            high = max(-low, high)
            low = -high
        if low == high:
            room = abs(low) * 0.1 or 1.0
            low, high = low - room, high + room
        return cls(low, high, False, is_signed, is_cut)

    def levels(self, row: Sequence[float]) -> NDArray[np.float64]:
        """Returns the number of each value's colour; NaN for a missing value."""
        values = np.asarray(row, dtype=float)
        if self.is_log:
            values = np.log10(np.maximum(values, self.low))
            low, high = log10(self.low), log10(self.high)
        else:
            low, high = self.low, self.high
        share = (values - low) / (high - low)
        return np.clip(np.floor(share * _LEVELS), 0, _LEVELS - 1)

    @property
    def colours(self) -> list[str]:
        """The colours, from that of the lowest value to that of the highest."""
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        chosen = colormaps["PuOr_r" if self.is_signed else "viridis"]
        return [to_hex(colour) for colour in chosen(np.linspace(0, 1, _LEVELS))]

    def place(self, value: float) -> float:
        """Returns where on the scale a value lies: 0 is its low end, 1 its high one."""
        if self.is_log:
            return (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return (value - self.low) / (self.high - self.low)


def draw_bar(sheet: Sheet, scale: ColourScale, left: float, top: float) -> None:
    """Draws the colours from `left` on, and the values that they stand for below them."""
    right = min(left + _BAR_WIDTH, sheet.width - 24)
    panel = sheet.add_panel(left, top - _BAR_HEIGHT, right, top)
    set_frame(panel, _LEVELS, 1)
    # Each colour reaches below the following ones, so that no gap can be seen between them.
    _fill(panel, {level: [(0, level, _LEVELS)] for level in range(_LEVELS)}, scale.colours)
    ticks = round_ticks(scale.low, scale.high, 5, is_log=scale.is_log)
    labels = format_ticks(ticks, is_log=scale.is_log)
    end = left - 30
    for tick, label in zip(ticks, labels, strict=True):
        x = left + (right - left) * scale.place(tick)
        half = text_width([label]) / 2
        sheet.rule((x, x), (panel.bottom - 4, panel.bottom), color=MUTED, linewidth=1)
        if x - half > end + 6:
            sheet.write([label], x, panel.bottom - 13, color=MUTED, ha="center")
            end = x + half


def draw_map(panel: Panel, rows: Rows, columns: int, scale: ColourScale) -> None:
    """Draws the rows, the first at the top.

    A missing value is grey with a stroke through it, an empty row a dotted line.
    """
    set_frame(panel, columns, len(rows))
    runs: dict[int, list[tuple[int, int, int]]] = {}
    missing: list[tuple[int, int, int]] = []
    for place, row in enumerate(rows):
        start = 0
        for level, equal in groupby(
            scale.levels(row), key=lambda one: int(one) if one == one else -1
        ):
            end = start + len(list(equal))
            if level < 0:
                missing += [(place, column, column + 1) for column in range(start, end)]
            else:
                runs.setdefault(level, []).append((place, start, end))
            start = end
    _fill(panel, runs, scale.colours)
    _fill(panel, {0: missing}, [GRID])
    strokes = [[(start, row + 1.0), (end, float(row))] for row, start, end in missing]
    add_path(panel, strokes, is_closed=False, edgecolor=MUTED, linewidth=0.8, fill=False)
    empty = [[(0.0, row + 0.5), (columns, row + 0.5)] for row, one in enumerate(rows) if not one]
    dots: dict[str, Any] = {"edgecolor": MUTED, "linewidth": 0.8, "linestyle": (0, (1, 3))}
    add_path(panel, empty, is_closed=False, fill=False, **dots)


def set_frame(panel: Panel, columns: int, rows: int) -> None:
    """Gives the panel a place for so many boxes, the first row at the top, and no axes."""
    panel.axes.set_xlim(0, columns)
    panel.axes.set_ylim(rows, 0)
    panel.axes.spines[:].set_visible(False)
    panel.axes.xaxis.set_ticks([])
    panel.axes.yaxis.set_ticks([])


def _fill(
    panel: Panel, runs: Mapping[int, Sequence[tuple[int, int, int]]], colours: Sequence[str]
) -> None:
    """Fills all boxes of one colour as one shape: (row, first column, column after the last)."""
    for level, boxes in runs.items():
        corners = [
            [(start, row), (end, row), (end, row + 1), (start, row + 1), (start, row)]
            for row, start, end in boxes
        ]
        # Its edge closes the gaps that a browser leaves between two shapes that touch.
        look = {"facecolor": colours[level], "edgecolor": colours[level], "linewidth": 0.8}
        add_path(panel, corners, is_closed=True, **look)


def add_path(
    panel: Panel,
    lines: Sequence[Sequence[tuple[float, float]]],
    *,
    is_closed: bool,
    **look: Any,  # noqa: ANN401 - matplotlib's
) -> None:
    """Draws all lines, of points of the data, as one shape in matplotlib's look."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not lines:
        return
    codes = [
        code
        for line in lines
        for code in (
            Path.MOVETO,
            *[Path.LINETO] * (len(line) - 2),
            Path.CLOSEPOLY if is_closed else Path.LINETO,
        )
    ]
    points = [point for line in lines for point in line]
    # Not as a patch, whose limits would be looked for: those of the axes are set.
    panel.axes.add_artist(PathPatch(Path(points, codes), clip_on=False, **look))
