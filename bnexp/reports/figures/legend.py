"""The names of lines: beside the axes at the ends of the lines, or below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bnexp.reports.figures.sheet import (
    LEGEND_LINE,
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Panel,
    Sheet,
    spread,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import Style
from bnexp.reports.words.formatting import with_unit

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

BELOW_AXES = 8.0
"""Pixels between the axes' words and the names below them."""
_GAP = 4.0
"""Pixels between two names."""
_MARK = 30.0
"""Pixels between the axes and a name beside them, which hold its marker."""


@dataclass(frozen=True)
class Name:
    """What stands beside or below the axes for one line."""

    label: str
    note: str
    """What is said about the line, e.g. its seeds."""
    style: Style
    line: LineStyleType = "-"

    def wrap(self, *, is_wide: bool) -> tuple[str, ...]:
        """Returns label and note in lines that fit beside the axes, or below them."""
        if is_wide:
            return (*wrap_label(self.label), *filter(None, [self.note]))
        return wrap_label(with_unit(self.label, self.note), 44)


class Room(NamedTuple):
    """The pixels of a figure with one pair of axes, whose lines have names."""

    height: float
    """Of the axes of a wide figure, unless the names beside them need more."""
    narrow_height: float
    top: float
    """Above the axes."""
    bottom: float
    """For the words below the axes."""
    margin: float = 14.0
    """To the right of the axes if no names stand there."""


def add_named_panel(room: Room, left: float, names: Sequence[Name], *, is_wide: bool) -> Panel:
    """Returns axes on a sheet of their own, with room for the names beside or below them."""
    width, extent = measure_names(names, is_wide=is_wide) if names else (room.margin, 0.0)
    inner = max(room.height, extent) if is_wide else room.narrow_height
    below = extent + BELOW_AXES if names and not is_wide else 0.0
    bottom = room.bottom + below
    sheet = Sheet(WIDE if is_wide else NARROW, bottom + inner + room.top)
    right = sheet.width - (width if is_wide else room.margin)
    return sheet.add_panel(left, bottom, right, bottom + inner)


def write_names(
    panel: Panel, names: Sequence[Name], ends: Sequence[tuple[float, float] | None]
) -> None:
    """Writes the names beside the axes of a wide figure, where the lines end; else below them."""
    if panel.sheet.is_wide:
        write_beside(panel, names, ends)
    else:
        write_below(panel.sheet, names)


def measure_names(names: Sequence[Name], *, is_wide: bool) -> tuple[float, float]:
    """Returns the width that names take beside the axes, and the height beside or below them."""
    wrapped = [name.wrap(is_wide=is_wide) for name in names]
    width = _measure_mark(names) + 12 + text_width(text for name in wrapped for text in name)
    return width, sum(LINE_HEIGHT * len(name) + _GAP for name in wrapped)


def _measure_mark(names: Sequence[Name]) -> float:
    """Returns the pixels between the axes and the names beside them.

    They hold markers, and pieces of the lines if the lines are told apart by their dashes.
    """
    return _MARK if {name.line for name in names} <= {"-"} else _MARK + LEGEND_LINE - 8


def write_beside(
    panel: Panel, names: Sequence[Name], ends: Sequence[tuple[float, float] | None]
) -> None:
    """Writes each name to the right of the place where its line ends, moved apart if they'd touch.

    The name of a line without an end stands at the bottom.
    """
    sheet, mark = panel.sheet, _measure_mark(names)
    wrapped = [name.wrap(is_wide=True) for name in names]
    wanted = [panel.bottom if end is None else end[1] for end in ends]
    heights = [LINE_HEIGHT * len(name) + _GAP for name in wrapped]
    middles = spread(wanted, heights, panel.bottom - 10, panel.top + 10)
    for name, lines, end, middle in zip(names, wrapped, ends, middles, strict=True):
        if end is not None:
            xs, look = (end[0] + 7, panel.right + 14), {"linewidth": 1, "alpha": 0.7}
            sheet.rule(xs, (end[1], middle), color=name.style.colour, **look)
        if mark > _MARK:
            sheet.mark(name.style, panel.right + 16 + LEGEND_LINE / 2, middle, name.line)
        else:
            sheet.mark(name.style, panel.right + 22, middle)
        sheet.write(lines, panel.right + mark + 2, middle)


def write_below(sheet: Sheet, names: Sequence[Name]) -> None:
    """Writes the names at the bottom, below each other, each after a piece of its line."""
    _, top = measure_names(names, is_wide=False)
    for name in names:
        lines = name.wrap(is_wide=False)
        sheet.mark(name.style, LEGEND_LINE / 2, top - LINE_HEIGHT / 2, name.line)
        sheet.write(lines, LEGEND_LINE + 8, top - LINE_HEIGHT * len(lines) / 2)
        top -= LINE_HEIGHT * len(lines) + _GAP
