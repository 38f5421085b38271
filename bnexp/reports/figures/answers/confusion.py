"""Which class was taken for which other: a matrix per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.answers.classes import (
    Answered,
    choose_classes,
    describe_choice,
    describe_classes,
    list_answered,
)
from bnexp.reports.figures.fitting import shorten_names
from bnexp.reports.figures.heat import add_path, set_frame
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
from bnexp.reports.figures.style import FONT_SIZE, GRID, MUTED
from bnexp.wording import format_percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RIGHT, _WRONG = "#0a7bc2", "#d55e00"
"""Fills of the boxes of what was recognised, and of what was taken for another class."""
_LEVELS = 16
"""Shades of each of them."""
_STRONGEST = 0.7
"""The opacity of the last one, on which text can still be read."""

_LARGEST_BOX, _LARGEST_OF_FEW = 34.0, 72.0
"""Pixels of a box at most; more if a matrix of few classes would be less than `_ROOMY` wide."""
_ROOMY = 240.0
_MOST_FOR_COUNTS = 4
"""Classes up to which a box also says how many pictures it stands for."""
_LEAST_FOR_NUMBERS = 21.0
"""Pixels of a box that has room for a number."""
_BETWEEN = 24.0
_SMALL = 12.0
"""The font size of what is said beside the matrices."""
_BESIDE = 18.0
"""Pixels that the title of an axis takes."""
_TURNED: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor", "va": "center"}
_LONGEST_NAME, _LONGEST_NARROW = 16, 10
"""Characters of a class's name that are shown."""


@dataclass(frozen=True)
class _Matrices:
    """All that a drawing shows."""

    cells: tuple[Answered, ...]
    names: tuple[str, ...]
    counts: tuple[NDArray[np.int64], ...]
    """Of each cell: how many pictures of a class (row) were taken for a class (column)."""
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
    chosen = np.ix_(places, places)
    all_counts = [np.array(one.predictions.confusion.counts, np.int64) for one in answered]
    shares = tuple((one / np.maximum(one.sum(1, keepdims=True), 1))[chosen] for one in all_counts)
    wrong = [np.where(np.eye(len(places)), 0.0, found).max() for found in shares]
    names = answered[0].predictions.class_names
    drawn = _Matrices(
        tuple(answered),
        tuple(names[place] for place in places),
        tuple(one[chosen] for one in all_counts),
        shares,
        float(max(wrong)),
    )
    below = ", and below it how many" if len(places) <= _MOST_FOR_COUNTS else ""
    caption = (
        "Row: the class of the pictures; column: what they were taken for; number: percent of the "
        f"row's pictures{below}. Blue: recognised. Orange: taken for another class, on one scale "
        f"for all cells, up to {format_percent(drawn.most_wrong)}. {describe_classes(answered)}"
    )
    return Chart(
        "Confusions",
        f"{comparison.experiment}: which class was taken for which other",
        caption.strip(),
        "; ".join(map(_describe, answered)),
        lambda is_wide: _draw(drawn, is_wide=is_wide),
        describe_choice(comparison),
    )


def _describe(cell: Answered) -> str:
    found = cell.predictions.confusion.find_confusions()[:3]
    worst = ", ".join(f"{true} as {taken} ({number})" for number, true, taken in found)
    return f"{cell.label}, {cell.summary}; most often mistaken: {worst or 'none'}"


def _draw(found: _Matrices, *, is_wide: bool) -> Sheet:
    names = shorten_names(found.names, _LONGEST_NAME if is_wide else _LONGEST_NARROW)
    left, below = _BESIDE + 12 + text_width(names), 14 + text_width(names) + _BESIDE
    number, classes = len(found.cells), len(names)
    across = (WIDE if is_wide else NARROW) - left - 4
    title = text_width(cell.summary for cell in found.cells) * _SMALL / FONT_SIZE
    most = (3 if classes <= 12 else 2) if is_wide else 1
    most = max(1, min(most, int((across + _BETWEEN) / (title + _BETWEEN))))
    per_row = ceil(number / ceil(number / most))
    largest = max(_LARGEST_BOX, min(_LARGEST_OF_FEW, _ROOMY / classes))
    box = min(largest, (across - _BETWEEN * (per_row - 1)) / per_row / classes)
    side = box * classes
    width = max(side, title)
    titles = [wrap_label(cell.label, max(8, int((width - 18) / 8))) for cell in found.cells]
    groups = [range(start, min(start + per_row, number)) for start in range(0, number, per_row)]
    above = [(max(len(titles[n]) for n in group) + 1) * LINE_HEIGHT + 8 for group in groups]
    sheet = Sheet(WIDE if is_wide else NARROW, sum(room + side + below + 12 for room in above))
    top = sheet.height
    for group, room in zip(groups, above, strict=True):
        bottom = top - room - side
        for place, cell in enumerate(group):
            start = left + place * (width + _BETWEEN)
            panel = sheet.add_panel(start, bottom, start + side, bottom + side)
            _draw_matrix(panel, found, cell, box)
            _write_title(panel, found.cells[cell], titles[cell])
            for column, name in enumerate(names):
                middle = start + box * (column + 0.5)
                sheet.write([name], middle, bottom - 1.5, color=MUTED, ha="right",
                            fontsize=_SMALL, **_TURNED)  # fmt: skip
            sheet.write(["taken for"], start + side / 2, bottom - below + _BESIDE / 2, ha="center",
                        fontsize=_SMALL)  # fmt: skip
        for row, name in enumerate(names):
            middle = bottom + side - box * (row + 0.5)
            sheet.write([name], left - 8, middle, color=MUTED, ha="right", fontsize=_SMALL)
        sheet.write(["true class"], _BESIDE / 2, bottom + side / 2 + 4.5, ha="center",
                    fontsize=_SMALL, **_TURNED)  # fmt: skip
        top = bottom - below - 12
    return sheet


def _write_title(panel: Panel, cell: Answered, lines: Sequence[str]) -> None:
    middle = panel.top + 8 + LINE_HEIGHT * (1 + len(lines) / 2)
    panel.sheet.mark(cell.style, panel.left + 6, middle + LINE_HEIGHT * (len(lines) - 1) / 2)
    panel.sheet.write(lines, panel.left + 18, middle)
    panel.sheet.write([cell.summary], panel.left, panel.top + 14, color=MUTED, fontsize=_SMALL)


def _draw_matrix(panel: Panel, found: _Matrices, cell: int, box: float) -> None:
    shares, counts, classes = found.shares[cell], found.counts[cell], len(found.names)
    set_frame(panel, classes, classes)
    places = [(row, column) for row in range(classes) for column in range(classes)]
    _fill(panel, places, facecolor=GRID, alpha=0.6)
    by_look: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for row, column in places:
        colour, most = (_RIGHT, 1.0) if row == column else (_WRONG, found.most_wrong or 1.0)
        level = ceil(_LEVELS * shares[row, column] / most - 1e-9)
        if level > 0:
            by_look.setdefault((colour, level), []).append((row, column))
    for (colour, level), boxes in by_look.items():
        _fill(panel, boxes, facecolor=colour, alpha=_STRONGEST * level / _LEVELS)
    if box < _LEAST_FOR_NUMBERS:
        return
    for row, column in places:
        x, y = panel.left + box * (column + 0.5), panel.top - box * (row + 0.5)
        share = shares[row, column]
        if classes <= _MOST_FOR_COUNTS and counts[row, column]:
            panel.sheet.write([format_percent(share)], x, y + 8, ha="center", fontsize=_SMALL)
            panel.sheet.write([f"{counts[row, column]}"], x, y - 9, ha="center", fontsize=11)
        elif percent := floor(100 * share + 0.5 + 1e-9):  # a half is rounded up
            panel.sheet.write([f"{percent}"], x, y, ha="center", fontsize=11 if box > 26 else 10)


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
