"""Which class was taken for which other: a matrix per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.classes import (
    Answered,
    choose_classes,
    describe_choice,
    describe_classes,
    list_answered,
)
from bnexp.reports.figures.heat import add_path, set_frame
from bnexp.reports.figures.layers import shorten_names
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Chart,
    Panel,
    Sheet,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import GRID, MUTED
from bnexp.wording import format_percent

_RIGHT, _WRONG = "#0a7bc2", "#d55e00"
"""Fills of the boxes of what was recognised, and of what was taken for another class."""
_LEVELS = 16
"""Shades of each of them."""
_STRONGEST = 0.7
"""The opacity of the last one, on which text can still be read."""

_LARGEST_BOX = 34.0
_LEAST_FOR_NUMBERS = 21.0
"""Pixels of a box that has room for a number."""
_BETWEEN = 16.0
_LONGEST_NAME, _LONGEST_NARROW = 16, 10
"""Characters of a class's name that are shown."""


@dataclass(frozen=True)
class _Matrices:
    """All that a drawing shows."""

    cells: tuple[Answered, ...]
    names: tuple[str, ...]
    shares: tuple[NDArray[np.float64], ...]
    """Of each cell: of a class's pictures (row), which part was taken for a class (column)."""
    most_wrong: float
    """The largest share beside the diagonals."""


def build_confusion(comparison: Comparison) -> Chart | None:
    """Returns the matrices of all cells whose predictions are known, or None without any."""
    answered = list_answered(comparison)
    if not answered:
        return None
    places = choose_classes(answered)
    shares = tuple(_find_shares(one)[np.ix_(places, places)] for one in answered)
    wrong = [np.where(np.eye(len(places)), 0.0, found).max() for found in shares]
    names = answered[0].predictions.class_names
    drawn = _Matrices(
        tuple(answered), tuple(names[place] for place in places), shares, float(max(wrong))
    )
    caption = (
        "Row: the class of the pictures; column: what they were taken for; number: percent of the "
        "row's pictures. Blue: recognised. Orange: taken for another class, on one scale for all "
        f"cells, up to {format_percent(drawn.most_wrong)}. {describe_classes(answered)}"
    )
    return Chart(
        "Confusions",
        f"{comparison.experiment}: which class was taken for which other",
        caption.strip(),
        "; ".join(map(_describe, answered)),
        lambda is_wide: _draw(drawn, is_wide=is_wide),
        describe_choice(comparison),
    )


def _find_shares(cell: Answered) -> NDArray[np.float64]:
    counts = np.array(cell.predictions.confusion.counts, np.float64)
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def _describe(cell: Answered) -> str:
    found = cell.predictions.confusion.find_confusions()[:3]
    worst = ", ".join(f"{true} as {taken} ({number})" for number, true, taken in found)
    return f"{cell.label}, {cell.summary}; most often mistaken: {worst or 'none'}"


def _draw(found: _Matrices, *, is_wide: bool) -> Sheet:
    names = shorten_names(found.names, _LONGEST_NAME if is_wide else _LONGEST_NARROW)
    left, below = 12 + text_width(names), 14 + text_width(names)
    number, classes = len(found.cells), len(names)
    most = (3 if classes <= 12 else 2) if is_wide else 1
    per_row = ceil(number / ceil(number / most))
    room = (WIDE if is_wide else NARROW) - left - 4 - _BETWEEN * (per_row - 1)
    box = min(_LARGEST_BOX, room / per_row / classes)
    side = box * classes
    titles = [wrap_label(cell.label, max(8, int((side - 18) / 8))) for cell in found.cells]
    groups = [range(start, min(start + per_row, number)) for start in range(0, number, per_row)]
    above = [(max(len(titles[n]) for n in group) + 1) * LINE_HEIGHT + 8 for group in groups]
    sheet = Sheet(WIDE if is_wide else NARROW, sum(room + side + below + 12 for room in above))
    top = sheet.height
    for group, room in zip(groups, above, strict=True):
        bottom = top - room - side
        for place, cell in enumerate(group):
            start = left + place * (side + _BETWEEN)
            panel = sheet.add_panel(start, bottom, start + side, bottom + side)
            _draw_matrix(panel, found.shares[cell], found.most_wrong, box)
            _write_title(panel, found.cells[cell], titles[cell])
            for column, name in enumerate(names):
                turned = {"rotation": 90, "rotation_mode": "anchor", "va": "center"}
                middle = start + box * (column + 0.5)
                sheet.write([name], middle, bottom - 1.5, color=MUTED, ha="right",
                            fontsize=12, **turned)  # fmt: skip
        for row, name in enumerate(names):
            middle = bottom + side - box * (row + 0.5)
            sheet.write([name], left - 8, middle, color=MUTED, ha="right", fontsize=12)
        top = bottom - below - 12
    return sheet


def _write_title(panel: Panel, cell: Answered, lines: Sequence[str]) -> None:
    middle = panel.top + 8 + LINE_HEIGHT * (1 + len(lines) / 2)
    panel.sheet.mark(cell.style, panel.left + 6, middle + LINE_HEIGHT * (len(lines) - 1) / 2)
    panel.sheet.write(lines, panel.left + 18, middle)
    panel.sheet.write([cell.summary], panel.left, panel.top + 14, color=MUTED, fontsize=12)


def _draw_matrix(panel: Panel, shares: NDArray[np.float64], most_wrong: float, box: float) -> None:
    classes = len(shares)
    set_frame(panel, classes, classes)
    places = [(row, column) for row in range(classes) for column in range(classes)]
    _fill(panel, places, facecolor=GRID, alpha=0.6)
    by_look: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for row, column in places:
        colour, most = (_RIGHT, 1.0) if row == column else (_WRONG, most_wrong or 1.0)
        level = ceil(_LEVELS * shares[row, column] / most - 1e-9)
        if level > 0:
            by_look.setdefault((colour, level), []).append((row, column))
    for (colour, level), boxes in by_look.items():
        _fill(panel, boxes, facecolor=colour, alpha=_STRONGEST * level / _LEVELS)
    if box < _LEAST_FOR_NUMBERS:
        return
    for row, column in places:
        if shares[row, column] >= 0.005:
            text = f"{100 * shares[row, column]:.0f}"
            x, y = panel.left + box * (column + 0.5), panel.top - box * (row + 0.5)
            panel.sheet.write([text], x, y, ha="center", fontsize=11 if box > 26 else 10)


def _fill(panel: Panel, boxes: Sequence[tuple[int, int]], **look: Any) -> None:  # noqa: ANN401
    """Fills boxes, given by row and column, with a gap between them, as one shape."""
    near, far = 0.03, 0.97
    corners = [
        [
            (column + across, row + down)
            for across, down in ((near, near), (far, near), (far, far), (near, far), (near, near))
        ]
        for row, column in boxes
    ]
    add_path(panel, corners, is_closed=True, linewidth=0, **look)
