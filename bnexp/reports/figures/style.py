"""How every figure looks: fonts, colours that the colour-blind can tell apart, titles, axes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from bnexp.analysis.results import Comparison
from bnexp.reports.words.headings import describe_conditions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType

MUTED = "#595959"
"""Grey for what is said beside the data."""

LONGEST_LABEL = 30
"""Characters that a cell's name may have on one line."""

_HIGHEST = 120
"""Inches; a bitmap much higher than that cannot be drawn."""

_BASELINE_COLOUR = "#000000"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES: tuple[LineStyleType, ...] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1.2, 1.2)))
_MARKERS = ("s", "^", "D", "v", "P", "X", "p")

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.hashsalt": "bnexp",
    "text.parse_math": False,
}


class Style(NamedTuple):
    """How one cell is drawn; cells differ in colour, line and marker, so that grey will do."""

    colour: str
    line: LineStyleType
    marker: str


@contextmanager
def figure_settings() -> Iterator[None]:
    """Draws with the settings of this module, and puts the caller's back afterwards."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        yield


def cell_styles(comparison: Comparison) -> dict[str, Style]:
    """Returns a style for each cell, the same one in every figure, no two alike.

    The colours are Okabe and Ito's, without yellow, which is too pale on white; the
    baseline is black with round markers. Where there are more cells than colours and the
    settings allow it, colour and marker stand for one setting, and the line for the rest.
    """
    others = [cell.cell for cell in comparison.cells if cell.cell != comparison.baseline]
    if len(others) > len(_COLOURS):
        styles = _styles_by_setting(comparison)
        if styles:
            return styles
    styles = {comparison.baseline: Style(_BASELINE_COLOUR, "-", "o")}
    for index, label in enumerate(others):
        line = _LINES[(index + 1) % len(_LINES)]
        styles[label] = Style(
            _COLOURS[index % len(_COLOURS)], line, _MARKERS[index % len(_MARKERS)]
        )
    return styles


def _styles_by_setting(comparison: Comparison) -> dict[str, Style]:
    """Returns a colour and marker a value of one setting, and a line a value of the rest.

    It is the setting with the most values for which there are colours enough; nothing
    where none will do.
    """
    cells = sorted(comparison.cells, key=lambda cell: cell.cell != comparison.baseline)
    rows = [[repr(cell.settings.get(key)) for key in comparison.differing] for cell in cells]
    found: list[Style] = []
    most = 0
    for place in range(len(comparison.differing)):
        hues = _number([row[place] for row in rows])
        kinds = _number([repr(row[:place] + row[place + 1 :]) for row in rows])
        if most < max(hues) <= len(_COLOURS) and 0 < max(kinds) < len(_LINES):
            most = max(hues)
            colours, markers = (_BASELINE_COLOUR, *_COLOURS), ("o", *_MARKERS)
            found = [
                Style(colours[hue], _LINES[kind], markers[hue])
                for hue, kind in zip(hues, kinds, strict=True)
            ]
    is_unique = len(set(found)) == len(cells)
    return dict(zip((cell.cell for cell in cells), found, strict=True)) if is_unique else {}


def _number(values: Sequence[str]) -> list[int]:
    """Returns for each value the place at which it first comes among the different ones."""
    different = list(dict.fromkeys(values))
    return [different.index(value) for value in values]


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns an empty figure of that size in inches, up to 120 high, with one pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, min(height, _HIGHEST)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def set_title(axes: Axes, title: str, *captions: str) -> None:
    """Writes a bold title, and below it in grey, line by line, how to read the figure."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=12 + 12 * len(captions))
    text = "\n".join(captions)
    axes.annotate(text, (0, 1), (0, 7), "axes fraction", "offset points", fontsize=9, color=MUTED)


def describe_selection(comparison: Comparison) -> tuple[str, ...]:
    """Returns the line of the caption that says which runs were chosen, or none."""
    conditions = describe_conditions(comparison.where)
    return (f"where {conditions}",) if conditions else ()


def wrap_label(label: str) -> str:
    """Returns a cell's label in lines that don't squeeze the axes, broken after commas."""
    if len(label) <= LONGEST_LABEL:
        return label
    return fill(
        re.sub(r",(?=\S)", ", ", label),
        LONGEST_LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
