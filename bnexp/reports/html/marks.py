"""Colours, dashes and markers of the cells as SVG: the same ones as in the other figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.style import Style, cell_styles
from bnexp.reports.html.markup import Markup, tag
from bnexp.reports.words.cell_names import shorten_cell_names

LINE_WIDTH = 2.2
CHARACTER = 7.4
"""Width of a character at the charts' font size, wide enough for the widest system font."""

_LONGEST_LINE = 30
_DASHES: Mapping[str, tuple[float, ...]] = {
    "-": (),
    "--": (3.7, 1.6),
    "-.": (6.4, 1.6, 1.0, 1.6),
}
_OUTLINES: Mapping[str, str] = {
    "s": "M-4.4-4.4H4.4V4.4H-4.4Z",
    "^": "M0-5.4L5.4 4.4H-5.4Z",
    "v": "M0 5.4L5.4-4.4H-5.4Z",
    "D": "M0-5.8L5.8 0L0 5.8L-5.8 0Z",
    "P": "M-1.9-5.2H1.9V-1.9H5.2V1.9H1.9V5.2H-1.9V1.9H-5.2V-1.9H-1.9Z",
    "X": "M-5-2.5L-2.5-5L0-2.5L2.5-5L5-2.5L2.5 0L5 2.5L2.5 5L0 2.5L-2.5 5L-5 2.5L-2.5 0Z",
    "p": "M0-5.2L5-1.6L3.1 4.3H-3.1L-5-1.6Z",
    "o": "M-4.8 0A4.8 4.8 0 1 0 4.8 0A4.8 4.8 0 1 0-4.8 0Z",
}


@dataclass(frozen=True)
class Mark:
    """How one cell is drawn, and what it is called on a chart."""

    style: Style
    label: str
    """The settings in which the cells differ, short enough for a chart."""

    @property
    def paint(self) -> str:
        """The style attribute that gives an element and its children the cell's colour.

        Black, the baseline's, becomes the colour of the text, so that it shows on any page.
        """
        colour = self.style.colour
        return f"--cell:{'var(--ink)' if colour == '#000000' else colour}"

    @property
    def dashes(self) -> str | None:
        """The dash pattern for a line of `LINE_WIDTH`, or None for a solid one."""
        line = self.style.line
        if isinstance(line, str):
            pattern = _DASHES[line]
        else:
            pattern = tuple(float(part) for part in line[1] or ())
        return " ".join(f"{part * LINE_WIDTH:g}" for part in pattern) or None

    @property
    def spaced(self) -> str:
        """The label with a blank after each comma, so that a line can be broken there."""
        return ", ".join(part.strip() for part in self.label.split(","))

    def lines(self) -> tuple[str, ...]:
        """Returns the label in lines short enough to stand beside a chart."""
        return wrap(self.label)

    def marker(self, x: float, y: float, size: float = 1.0) -> Markup:
        """Returns the cell's marker, centred there."""
        place = f"translate({x:.2f} {y:.2f}) scale({size:g})"
        return tag("path", class_="marker", d=_OUTLINES[self.style.marker], transform=place)

    def swatch(self) -> Markup:
        """Returns a piece of the cell's line with its marker, for a legend or a table."""
        line = tag("path", class_="mean", d="M1 8H33", stroke_dasharray=self.dashes)
        return tag(
            "svg",
            line,
            self.marker(17, 8),
            class_="swatch",
            viewBox="0 0 34 16",
            width="34",
            height="16",
            aria_hidden="true",
            style=self.paint,
        )


def cell_marks(comparison: Comparison) -> dict[str, Mark]:
    """Returns each cell's mark, by the cell's name."""
    labels = shorten_cell_names(comparison)
    return {cell: Mark(style, labels[cell]) for cell, style in cell_styles(comparison).items()}


def wrap(label: str, longest: int = _LONGEST_LINE) -> tuple[str, ...]:
    """Returns the label in lines, broken after commas, and inside a part that is too long."""
    lines = [""]
    for part in label.replace(", ", ",").split(","):
        pieces = [part] if len(part) <= longest else _pieces(part, longest)
        if lines[-1]:
            lines[-1] += ","
        for place, piece in enumerate(pieces):
            gap = " " if lines[-1] and place == 0 else ""
            if lines[-1] and len(lines[-1]) + len(gap) + len(piece) > longest:
                lines.append(piece)
            else:
                lines[-1] += gap + piece
    return tuple(lines)


def _pieces(part: str, longest: int) -> list[str]:
    """Returns pieces of a long name: up to a sign such as `_`, `(` or `=`, else of that length."""
    words = re.findall(r"[^_(=./-]*[_(=./-]?", part)
    return [
        word[start : start + longest] for word in words for start in range(0, len(word), longest)
    ]
