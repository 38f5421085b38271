"""How every figure looks: fonts, colours that the colour-blind can tell apart, titles, axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bnexp.analysis.results import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType

MUTED = "#595959"
"""Grey for what is said beside the data."""

LONGEST_LABEL = 26
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
    """Returns a style for each cell, the same one in every figure.

    The colours are Okabe and Ito's, without yellow, which is too pale on white; the
    baseline is black with round markers.
    """
    others = [cell.cell for cell in comparison.cells if cell.cell != comparison.baseline]
    styles = {comparison.baseline: Style(_BASELINE_COLOUR, "-", "o")}
    for index, label in enumerate(others):
        line = _LINES[(index + 1) % len(_LINES)]
        styles[label] = Style(
            _COLOURS[index % len(_COLOURS)], line, _MARKERS[index % len(_MARKERS)]
        )
    return styles


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns an empty figure of that size in inches, up to 120 high, with one pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, min(height, _HIGHEST)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def set_title(axes: Axes, title: str, caption: str) -> None:
    """Writes a bold title, and below it in grey how to read the figure."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=24)
    axes.annotate(
        caption, (0, 1), (0, 7), "axes fraction", "offset points", fontsize=9, color=MUTED
    )


def wrap_label(cell: str) -> str:
    """Returns a cell's name with a line a setting where one line would squeeze the axes."""
    return cell if len(cell) <= LONGEST_LABEL else cell.replace(",", ",\n")
