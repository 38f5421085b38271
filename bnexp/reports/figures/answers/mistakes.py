"""The test pictures of which the networks were surest, and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.answers.classes import (
    Answered,
    describe_choice,
    list_answered,
    write_probability,
)
from bnexp.reports.figures.fitting import cut_name
from bnexp.reports.figures.sheet import LINE_HEIGHT, NARROW, WIDE, Chart, Panel, Sheet, wrap_label
from bnexp.reports.figures.style import MUTED
from bnexp.runs.measured.predictions import Mistake

_PER_ROW, _PER_ROW_NARROW = 9, 4
_ROWS_NARROW = 2
_BETWEEN = 10.0
_WORDS = 3 * LINE_HEIGHT + 26
"""Pixels below a picture: its class, what it was taken for, how surely, and some room."""
_LONGEST_NAME = 11
"""Characters of a class's name that are shown."""

CAPTION = (
    "Test pictures that were taken for another class, starting with those of which the network was "
    "surest: their class, what they were taken for, and how probable the network found that."
)


def list_with_mistakes(comparison: Comparison) -> list[Answered]:
    """Returns the cells that kept pictures of mistakes which can be shown: grey or RGB."""
    return [
        one
        for one in list_answered(comparison)
        if len(one.predictions.mistakes) and one.predictions.pictures.shape[3] in (1, 3)
    ]


def build_mistakes(comparison: Comparison) -> Chart | None:
    """Returns a row of pictures per cell, or None if no cell kept any."""
    answered = list_with_mistakes(comparison)
    if not answered:
        return None
    return Chart(
        "Mistakes",
        f"{comparison.experiment}: the most confident mistakes",
        CAPTION,
        "; ".join(map(_describe, answered)),
        lambda is_wide: _draw(answered, is_wide=is_wide),
        describe_choice(comparison),
    )


def _describe(cell: Answered) -> str:
    worst = cell.predictions.list_mistakes()[0]
    said = f"{worst.true} as {worst.taken}, {write_probability(worst.probability)}"
    return f"{cell.label}, seed {cell.seed}: {said}"


def _draw(answered: Sequence[Answered], *, is_wide: bool) -> Sheet:
    width = WIDE if is_wide else NARROW
    per_row, rows = (_PER_ROW, 1) if is_wide else (_PER_ROW_NARROW, _ROWS_NARROW)
    side = (width - _BETWEEN * (per_row - 1)) / per_row
    shown = [cell.predictions.list_mistakes()[: per_row * rows] for cell in answered]
    titles = [wrap_label(f"{cell.label}, seed {cell.seed}", int(width / 8)) for cell in answered]
    heights = [
        LINE_HEIGHT * len(title) + 10 + ceil(len(found) / per_row) * (side + _WORDS)
        for title, found in zip(titles, shown, strict=True)
    ]
    sheet = Sheet(width, sum(heights))
    # One panel for all pictures: each has its own place in it, in pixels.
    panel = sheet.add_panel(0, 0, width, sheet.height)
    panel.axes.set_axis_off()
    top = sheet.height
    for cell, title, found, height in zip(answered, titles, shown, heights, strict=True):
        middle = top - LINE_HEIGHT * len(title) / 2
        sheet.mark(cell.style, 6, middle + LINE_HEIGHT * (len(title) - 1) / 2)
        sheet.write(title, 18, middle)
        start = top - LINE_HEIGHT * len(title) - 10
        for place, mistake in enumerate(found):
            row, column = divmod(place, per_row)
            _draw_picture(
                panel, mistake, column * (side + _BETWEEN), start - row * (side + _WORDS), side
            )
        top -= height
    panel.axes.set(xlim=(0, width), ylim=(0, sheet.height))
    return sheet


def _draw_picture(panel: Panel, mistake: Mistake, left: float, top: float, side: float) -> None:
    height, width, channels = mistake.picture.shape
    scale = side / max(height, width)
    panel.axes.imshow(
        mistake.picture.repeat(3 // channels, axis=2),
        extent=(left, left + scale * width, top - scale * height, top),
        aspect="auto",
        interpolation="nearest",
    )
    names = [cut_name(mistake.true, _LONGEST_NAME), f"as {cut_name(mistake.taken, _LONGEST_NAME)}"]
    middle = top - side - 6 - LINE_HEIGHT
    panel.sheet.write(names, left, middle, fontsize=12)
    share = write_probability(mistake.probability)
    panel.sheet.write([share], left, middle - 1.5 * LINE_HEIGHT, fontsize=12, color=MUTED)
