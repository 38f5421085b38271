"""How every figure looks: its colours, and the colour, dashes and marker of each cell."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from bnexp.analysis.results import Comparison

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

INK = "#1b1b1b"
"""Text, axes, and the baseline."""
MUTED = "#5a5a5a"
"""What is said beside the data."""
GRID = "#e8e8e4"
PAPER = "#ffffff"

FONT_SIZE = 13.0
"""In points, which are pixels on a sheet."""
LINE_WIDTH = 2.2

_COLOURS = ("#0a7bc2", "#d55e00", "#009e73", "#cc79a7", "#c48200", "#3f97cc")
_LINES: tuple[LineStyleType, ...] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1.2, 1.2)))
_MARKERS = ("s", "^", "D", "v", "P", "X", "p")

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 1.3,
    "axes.axisbelow": True,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.major.pad": 8,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "svg.fonttype": "none",
    "svg.hashsalt": "bnexp",
}


class Style(NamedTuple):
    """How a cell is drawn; cells differ in colour, dashes and marker, so that grey will do."""

    colour: str
    line: LineStyleType
    marker: str


INKED = Style(INK, "-", "o")
"""How the baseline is drawn, and whatever belongs to no cell."""


@contextmanager
def figure_settings() -> Iterator[None]:
    """Applies the settings of this module, and restores the caller's afterwards."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box in a PNG; an SVG holds the text itself.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def cell_styles(comparison: Comparison) -> dict[str, Style]:
    """Returns a style for each cell, the same one in every figure, no two alike.

    The colours are Okabe and Ito's without yellow, blue a little lighter, orange and sky
    blue darker: each has a contrast of at least 3 on white and on the HTML page's dark
    paper. The baseline has the colour of the text and round markers. If there are more cells
    than colours and the settings allow it, colour and marker stand for one setting and the
    dashes for the rest.
    """
    others = [cell.cell for cell in comparison.cells if cell.cell != comparison.baseline]
    if len(others) > len(_COLOURS) and (styles := _styles_by_setting(comparison)):
        return styles
    looks = map(Style, cycle(_COLOURS), cycle((*_LINES[1:], _LINES[0])), cycle(_MARKERS))
    return {comparison.baseline: INKED, **dict(zip(others, looks, strict=False))}


def _styles_by_setting(comparison: Comparison) -> dict[str, Style]:
    """Returns a colour and marker per value of one setting, and dashes per value of the rest.

    The setting is the one with the most values for which there are enough colours; without
    any, the result is empty.
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
            colours, markers = (INKED.colour, *_COLOURS), (INKED.marker, *_MARKERS)
            found = [
                Style(colours[hue], _LINES[kind], markers[hue])
                for hue, kind in zip(hues, kinds, strict=True)
            ]
    is_unique = len(set(found)) == len(cells)
    return dict(zip((cell.cell for cell in cells), found, strict=True)) if is_unique else {}


def _number(values: Sequence[str]) -> list[int]:
    """Returns for each value the position at which it first appears among the distinct ones."""
    distinct = list(dict.fromkeys(values))
    return [distinct.index(value) for value in values]
