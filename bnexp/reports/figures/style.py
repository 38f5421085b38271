"""How every figure looks: its colours, and the colour and marker of each cell."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, cycle, islice, repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bnexp.analysis.cells import is_norm_key
from bnexp.analysis.results import Comparison
from bnexp.runs.record import Scalar

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

MOST_WITH_BANDS = 8
"""Cells beyond which bands and single seeds would only hide the means."""

LEAST_FOR_BAND = 3
"""Seeds below which a t interval (12.7 standard errors at two) says nothing and hides all."""

LEAST_FOR_LOG = 10.0
"""The ratio of the largest to the smallest value from which a scale is logarithmic."""

_COLOURS = ("#0a7bc2", "#d55e00", "#009e73", "#cc79a7", "#c48200", "#3f97cc")
_MARKERS = ("s", "^", "D", "v", "P", "X", "p")

_DASHES: tuple[LineStyleType, ...] = ("-", (0, (5, 2)), (0, (5, 1.5, 1, 1.5)), (0, (2.5, 1.5)))

Fill = Literal["full", "none", "left", "right", "top", "bottom"]
"""Which part of a marker has its colour."""
_FILLS: tuple[Fill, ...] = ("full", "none", "left", "right", "top", "bottom")

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
    """How a cell is drawn: by its marker too, so that grey will do; dashes tell other things."""

    colour: str
    marker: str
    fill: Fill = "full"


INKED = Style(INK, "o")
"""How the baseline is drawn, and whatever belongs to no cell."""
SECOND = Style(_COLOURS[0], _MARKERS[0], "none")
"""How the second of two things is drawn that belong to one cell."""
THIRD = Style(_COLOURS[1], _MARKERS[1], "none")
"""How a third is drawn, which is there to compare the two with."""


@contextmanager
def figure_settings() -> Iterator[None]:
    """Applies the settings of this module, and restores the caller's afterwards."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box in a PNG; an SVG holds the text itself.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def describe_bands(word: str, sizes: Collection[int]) -> str:
    """Returns what a band, or what the word calls it, shows of cells with so many seeds."""
    least = "" if min(sizes) >= LEAST_FOR_BAND else f", for {LEAST_FOR_BAND} seeds or more"
    return f"{word}: its 95 % t interval{least}."


def cell_styles(comparison: Comparison) -> dict[str, Style]:
    """Returns a style for each cell, the same one in every figure, no two alike."""
    cells = [
        comparison.baseline_cell,
        *(c for c in comparison.cells if c.cell != comparison.baseline),
    ]
    styles = assign_styles([cell.settings for cell in cells], comparison.differing)
    return dict(zip((cell.cell for cell in cells), styles, strict=True))


def assign_styles(rows: Sequence[Mapping[str, Scalar]], keys: Sequence[str]) -> list[Style]:
    """Returns a style for each row of settings, no two alike, the first in the colour of the text.

    The colours are Okabe and Ito's without yellow, blue a little lighter, orange and sky
    blue darker: each has a contrast of at least 3 on white and on the HTML page's dark
    paper. If several keys differ, the colour stands for the norm, or without one for the
    first key, and the marker for the other keys, as far as there are enough of them.
    """
    key = next(filter(is_norm_key, keys), keys[0] if keys else "")
    hues = _number([repr(row.get(key)) for row in rows])
    kinds = _number([repr([row.get(other) for other in keys if other != key]) for row in rows])
    if 0 < max(kinds) <= len(_MARKERS) and max(hues) <= len(_COLOURS):
        colours, markers = (INKED.colour, *_COLOURS), (INKED.marker, *_MARKERS)
        found = [
            Style(colours[hue], markers[kind], _FILLS[hue % len(_FILLS)])
            for hue, kind in zip(hues, kinds, strict=True)
        ]
        if len({*found}) == len(rows):
            return found
    fills = chain.from_iterable(repeat(fill, len(_COLOURS) * len(_MARKERS)) for fill in _FILLS)
    looks = map(Style, cycle(_COLOURS), cycle(_MARKERS), cycle(fills))
    return [INKED, *islice(looks, len(rows) - 1)]


def find_dashes(styles: Sequence[Style]) -> list[LineStyleType]:
    """Returns dashes that stand for the marker, if one colour has several; else none are needed."""
    if len({style.colour for style in styles}) == len(styles):
        return ["-"] * len(styles)
    markers = list(dict.fromkeys(style.marker for style in styles))
    return [_DASHES[markers.index(style.marker) % len(_DASHES)] for style in styles]


def _number(values: Sequence[str]) -> list[int]:
    """Returns for each value the position at which it first appears among the distinct ones."""
    distinct = list(dict.fromkeys(values))
    return [distinct.index(value) for value in values]
