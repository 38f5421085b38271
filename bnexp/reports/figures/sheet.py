"""What every figure is drawn on: places in pixels, quiet axes, lines of text, and a heading."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import ceil, floor, log10
from statistics import fmean
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from bnexp.foreign_text import visible
from bnexp.reports.figures.style import FONT_SIZE, INK, LINE_WIDTH, MUTED, PAPER, Style

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

WIDE, NARROW = 860.0, 390.0
"""Widths of a figure: for a page, and for a phone or one of TensorBoard's cards."""

LINE_HEIGHT = 15.0
"""Distance between two lines of text."""

LEGEND_LINE = 34.0
"""Length of the piece of a cell's line that stands before its name."""

_PER_INCH = 72
_LONGEST_LINE = 30
_TITLE_HEIGHT = 20.0
_BORDER = 14.0
"""Pixels around a figure that stands alone."""

_MOST_DOTS = 60_000
"""The height above which a bitmap cannot be drawn."""


class Sheet:
    """A figure; places are in pixels from the lower left corner.

    A pixel is 1/72 inch, so that a font's points are pixels, whatever the resolution of a
    bitmap.
    """

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.width, self.height = width, height
        self.figure = Figure(dpi=_PER_INCH)
        self.panels: list[Panel] = []
        self._corner = Affine2D()
        self.pixels = self._corner + Affine2D().scale(1 / _PER_INCH) + self.figure.dpi_scale_trans
        self._arrange(width, height, 0)

    def add_panel(self, left: float, bottom: float, right: float, top: float) -> Panel:
        """Returns a new pair of axes between these places."""
        panel = Panel(self, left, bottom, right, top)
        self.panels.append(panel)
        self._arrange(self.width, self.height, 0)
        return panel

    def _arrange(self, width: float, height: float, border: float) -> None:
        """Gives the figure this size, all that is drawn that far from its lower left corner."""
        self.figure.set_size_inches(width / _PER_INCH, height / _PER_INCH)
        for panel in self.panels:
            across, up = panel.right - panel.left, panel.top - panel.bottom
            left, bottom = panel.left + border, panel.bottom + border
            panel.axes.set_position((left / width, bottom / height, across / width, up / height))
        self._corner.clear().translate(border, border)

    @property
    def is_wide(self) -> bool:
        """Whether there is room for words beside the axes."""
        return self.width > NARROW

    def write(self, lines: Sequence[str], x: float, middle: float, **look: Any) -> None:  # noqa: ANN401
        """Writes lines of text, in matplotlib's look, whose block is centred at that height."""
        look = {"color": INK, "va": "baseline", "transform": self.pixels, **look}
        first = middle + LINE_HEIGHT * (len(lines) - 1) / 2 - 4.5
        for index, line in enumerate(lines):
            self.figure.text(x, first - LINE_HEIGHT * index, visible(line), **look)

    def rule(self, xs: Sequence[float], ys: Sequence[float], **look: Any) -> None:  # noqa: ANN401
        """Draws a line, in matplotlib's look, through places."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(Line2D(xs, ys, transform=self.pixels, **look))

    def mark(
        self,
        style: Style,
        x: float,
        y: float,
        line: LineStyleType | None = None,
        size: float = 1.0,
    ) -> None:
        """Draws a cell's marker, with a piece of a line for a legend."""
        if line is not None:
            xs = (x - LEGEND_LINE / 2 + 1, x + LEGEND_LINE / 2 - 1)
            self.rule(xs, (y, y), color=style.colour, linestyle=line, linewidth=LINE_WIDTH)
        self.rule([x], [y], **marker(style, size))

    def add_heading(self, title: str, captions: Iterable[str]) -> None:
        """Writes a title and captions above the drawing, and keeps a border around it all."""
        lines = [line for caption in captions for line in wrap(caption, int(self.width / 6.6))]
        titles = wrap(title, int(self.width / 9.5))
        room = LINE_HEIGHT * len(lines) + _TITLE_HEIGHT * len(titles) + 18
        self._arrange(self.width + 2 * _BORDER, self.height + room + 2 * _BORDER, _BORDER)
        top = self.height + room
        for index, line in enumerate(titles):
            middle = top - _TITLE_HEIGHT * (index + 0.5)
            self.write([line], 0, middle, fontweight="bold", fontsize=FONT_SIZE + 2)
        middle = self.height + 14 + LINE_HEIGHT * len(lines) / 2
        self.write(lines, 0, middle, color=MUTED, fontsize=FONT_SIZE - 1)

    def encode_png(self, dots_per_inch: float) -> bytes:
        """Returns the drawing as a bitmap; one too high to be drawn gets fewer dots per inch."""
        dots = min(dots_per_inch, _MOST_DOTS / self.figure.get_figheight())
        return self._encode(format="png", dpi=dots, metadata={"Software": None})

    def encode_svg(self) -> bytes:
        """Returns the drawing as an SVG whose text is text."""
        return self._encode(format="svg", metadata={"Date": None})

    def _encode(self, **options: Any) -> bytes:  # noqa: ANN401 - matplotlib's
        file = io.BytesIO()
        self.figure.savefig(file, **options)
        return file.getvalue()


class Panel:
    """A pair of axes on a sheet, between places that are the sheet's."""

    def __init__(self, sheet: Sheet, left: float, bottom: float, right: float, top: float) -> None:
        self.sheet = sheet
        self.left, self.bottom, self.right, self.top = left, bottom, right, top
        self.axes = sheet.figure.add_axes((0, 0, 1, 1), label=str(len(sheet.panels)))
        self.axes.patch.set_visible(False)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Returns the place of a point of the data."""
        across, up = self.axes.transData.transform((x, y))
        return float(across), float(up)

    def set_ticks(self, axis: str, values: Sequence[float], *, is_log: bool = False) -> None:
        """Labels these values on the axis `x` or `y`."""
        chosen = self.axes.xaxis if axis == "x" else self.axes.yaxis
        chosen.set_ticks(values, format_ticks(values, is_log=is_log))


def draw_reference(panel: Panel, value: float, words: str, *, is_right: bool = False) -> None:
    """Draws a dotted level across the axes, its words at an end above it, or below at the top."""
    low, high = panel.axes.get_ylim()
    is_low = panel.place(panel.axes.get_xlim()[0], value)[1] + 24 < panel.top
    look: dict[str, Any] = {"color": MUTED, "linewidth": 1.2, "linestyle": (0, (1.2, 3.3))}
    panel.axes.axhline(min(max(value, low), high), **look, zorder=1)
    panel.axes.annotate(
        words,
        (int(is_right), value),
        (-10 if is_right else 10, 6 if is_low else -6),
        panel.axes.get_yaxis_transform(),
        "offset points",
        ha="right" if is_right else "left",
        va="bottom" if is_low else "top",
        color=MUTED,
        zorder=2.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


@dataclass(frozen=True)
class Chart:
    """A figure that can be drawn at two widths, with the words that go with it."""

    heading: str
    """What kind of figure it is."""
    title: str
    caption: str
    """How to read it."""
    description: str
    """What it shows, for those who cannot see it."""
    draw: Callable[[bool], Sheet]
    """Takes whether there is room for words beside the axes."""
    selection: str = ""
    """Which runs were chosen."""

    def draw_alone(self, *, is_wide: bool) -> Sheet:
        """Returns the drawing with title and caption above it, for a file of its own."""
        sheet = self.draw(is_wide)
        sheet.add_heading(self.title, filter(None, (self.selection, self.caption)))
        return sheet


def draw_swatch(style: Style) -> Sheet:
    """Returns a piece of a cell's line with its marker, to stand beside its name."""
    sheet = Sheet(LEGEND_LINE, 16)
    sheet.mark(style, LEGEND_LINE / 2, 8, "-")
    return sheet


def marker(style: Style, size: float = 1.0) -> dict[str, Any]:
    """Returns how matplotlib draws a cell's marker without a line."""
    is_full = style.fill == "full"
    return {
        "marker": style.marker,
        "color": style.colour,
        "linestyle": "none",
        "markersize": (9.5 if is_full else 8.5) * size,
        "fillstyle": "full" if style.fill == "none" else style.fill,
        "markerfacecolor": PAPER if style.fill == "none" else style.colour,
        "markerfacecoloralt": PAPER,
        "markeredgecolor": PAPER if is_full else style.colour,
        "markeredgewidth": 0.8 if is_full else 1.8,
    }


def wrap_label(label: str, longest: int = _LONGEST_LINE) -> tuple[str, ...]:
    """Returns a cell's label in lines, broken after commas.

    A part too long for a line is broken after `=`, `_` or `/`, or anywhere if it has none.
    """
    parts = (chunk for part in space_label(label).split() for chunk in _cut(part, longest))
    return tuple(wrap(" ".join(parts), longest, break_on_hyphens=False)) or ("",)


def _cut(part: str, longest: int) -> list[str]:
    """Returns a part in chunks that fit a line, as far as it has places to cut it."""
    chunks = [""]
    for piece in re.split(r"(?<=[=_/])", part) if len(part) > longest else [part]:
        if len(chunks[-1]) + len(piece) > longest:
            chunks.append("")
        chunks[-1] += piece
    return [chunk for chunk in chunks if chunk]


def space_label(label: str) -> str:
    """Returns the label with a blank after each comma, so that a line can be broken there."""
    return label.replace(", ", ",").replace(",", ", ")


@cache
def _width(line: str) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=["DejaVu Sans"], size=FONT_SIZE)
    return float(text_to_path.get_text_width_height_descent(visible(line), font, ismath=False)[0])


def text_width(lines: Iterable[str]) -> float:
    """Returns the width of the longest line in a wide font, 0 without any line."""
    return max(map(_width, lines), default=0.0)


def wrap_words(text: str, width: float) -> list[str]:
    """Returns a text in lines that are no wider, as far as its words allow."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and text_width([longer]) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def round_ticks(
    low: float, high: float, most: int, *, is_whole: bool = False, is_log: bool = False
) -> tuple[float, ...]:
    """Returns about `most` round values within the range; with `is_whole`, whole numbers.

    With `is_log`, they are powers of ten, or if these are too few, 1, 2 and 5 times them.
    """
    if is_log:
        first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
        decades = [10.0**power for power in range(first, last + 1)]
        if len(decades) > 2:
            return tuple(decades[:: ceil(len(decades) / most)])
        finer = [digit * 10.0**power for power in range(first - 1, last + 1) for digit in (1, 2, 5)]
        return tuple(value for value in finer if low <= value <= high)
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(most, steps=[1, 2, 5, 10], integer=is_whole, min_n_ticks=1)
    return tuple(float(value) for value in locator.tick_values(low, high) if low <= value <= high)


def format_ticks(values: Sequence[float], *, is_log: bool = False) -> list[str]:
    """Returns round values as text; evenly spaced ones all with the decimals their step needs."""
    if is_log:
        return [f"{value:g}" for value in values]
    step = abs(values[1] - values[0]) if len(values) > 1 else 0.0
    if not 1e-6 < step < 1e7:
        return [f"{value:.4g}" for value in values]
    decimals = max(0, -floor(log10(step * 1.000001)))
    return [f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in values]


def pad_limits(
    values: Iterable[float], share: float, bounds: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Returns the limits of an axis that shows the values, none of them at its very end.

    The limits stay within `bounds`, the natural range of what is shown.
    """
    found = list(values)
    low, high = min(found), max(found)
    room = (high - low) * share or abs(high) * 0.1 or 1.0
    limits = (low - room, high + room)
    return limits if bounds is None else (max(limits[0], bounds[0]), min(limits[1], bounds[1]))


def spread(
    places: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Returns places near the given ones, in their order, so that labels don't overlap.

    Each label is `heights[i]` high and centred at its place. Labels that would overlap are
    moved as little as possible; all lie between `low` and `high` if they fit there.

    Source: Ayer et al. 1955, An empirical distribution function for sampling with incomplete
    information (pool adjacent violators), on the places less the heights of the labels below.
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    below = list(accumulate((heights[index] for index in order), initial=0.0))
    blocks: list[list[float]] = []  # labels that touch, each with the start that it wants for all
    for index, depth in zip(order, below, strict=False):
        blocks.append([places[index] - heights[index] / 2 - depth])
        while len(blocks) > 1 and fmean(blocks[-2]) >= fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    starts = [fmean(block) for block in blocks for _ in block]
    found = [0.0] * len(places)
    for index, depth, start in zip(order, below, starts, strict=False):
        found[index] = max(low, min(start, high - below[-1])) + depth + heights[index] / 2
    return found
