"""A quantity of several layers: a heat map per cell, of its layers over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, nan
from statistics import fmean

import numpy as np

from bnexp.analysis.diagnostics import mean_by_epoch
from bnexp.analysis.results import Comparison
from bnexp.reports.figures.fitting import say_cells, shorten_names
from bnexp.reports.figures.heat import BAR_ROOM, ColourScale, draw_bar, draw_map
from bnexp.reports.figures.inside.measured import (
    Measured,
    has_diverged,
    say_missing,
    say_seeds,
)
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
from bnexp.reports.figures.style import MUTED, Style, cell_styles
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.record import Series
from bnexp.wording import count

_MOST_LAYERS = 32
"""Rows of a heat map; of more layers, as many at even distances are shown."""
_MOST_COLUMNS = 30
"""Columns of a heat map; each of more epochs is a mean over several."""

_ROW = 15.0
_BETWEEN = 14.0
"""Pixels between two maps."""
_WIDEST = 400.0
"""Pixels of a map at most."""
_BELOW = 44.0
"""Pixels below a row of maps, for the epochs."""
_LONGEST_LAYER, _LONGEST_NARROW = 28, 16
"""Characters of a layer's name that are shown."""


@dataclass(frozen=True)
class Map:
    """The heat map of one cell."""

    title: tuple[str, ...]
    """The cell's name and, if none of its runs finished, that it diverged."""
    style: Style
    rows: tuple[tuple[float, ...], ...]
    """A value per column for each layer; empty if the cell has no such layer."""


@dataclass(frozen=True)
class HeatMaps:
    """All that a drawing of layers over epochs shows."""

    maps: tuple[Map, ...]
    layers: tuple[str, ...]
    columns: tuple[range, ...]
    """The epochs that each column stands for, or whose mean it is."""
    scale: ColourScale


def build_maps(comparison: Comparison, measured: Measured) -> Chart | None:
    """Returns the maps of the layers, all with the same colours, or None without finite values."""
    layers = _choose_layers(measured)
    columns = _choose_columns(measured)
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    maps = tuple(
        Map(
            tuple(filter(None, (labels[cell.cell], "diverged" if has_diverged(cell) else ""))),
            styles[cell.cell],
            tuple(
                _average(measured.by_layer[cell.cell].get(layer, {}), columns) for layer in layers
            ),
        )
        for cell in measured.cells
        if measured.by_layer[cell.cell].keys() & {*layers}
    )
    values = [value for one in maps for row in one.rows for value in row if isfinite(value)]
    if not values:
        return None
    heat = HeatMaps(maps, layers, columns, ColourScale.of(values))
    return Chart(
        measured.words.capitalize(),
        f"{comparison.experiment}: {measured.words} of each layer over the epochs",
        _caption(measured, heat, labels),
        "; ".join(_describe(one, layers) for one in maps),
        lambda is_wide: _draw(heat, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def _choose_layers(measured: Measured) -> tuple[str, ...]:
    """Returns all layers, or if they are too many, those of all cells, at even distances."""
    if len(measured.layers) <= _MOST_LAYERS:
        return measured.layers
    having = [found for found in measured.by_layer.values() if found]
    shared = [layer for layer in measured.layers if all(layer in found for found in having)]
    return _choose_evenly(shared if len(shared) > 1 else measured.layers, _MOST_LAYERS)


def _choose_evenly(names: Sequence[str], most: int) -> tuple[str, ...]:
    """Returns at most so many of the names, the first and the last among them."""
    if len(names) <= most:
        return tuple(names)
    places = np.linspace(0, len(names) - 1, most).round().astype(int)
    return tuple(names[place] for place in places)


def _choose_columns(measured: Measured) -> tuple[range, ...]:
    """Returns the epochs of each column: those with a value, or equal parts of too many."""
    found = sorted(
        {
            epoch
            for layers in measured.by_layer.values()
            for seeds in layers.values()
            for series in seeds.values()
            for epoch in series.epochs
        }
    )
    if len(found) <= _MOST_COLUMNS:
        return tuple(range(epoch, epoch + 1) for epoch in found)
    size = ceil((found[-1] - found[0] + 1) / _MOST_COLUMNS)
    starts = range(found[0], found[-1] + 1, size)
    return tuple(range(start, min(start + size, found[-1] + 1)) for start in starts)


def _average(seeds: Mapping[int, Series], columns: Sequence[range]) -> tuple[float, ...]:
    """Returns the mean over the seeds in each column; NaN if one of them has no finite value.

    Within a column, epochs without any measurement don't count.
    """
    if not seeds:
        return ()
    last = columns[-1].stop - 1
    runs = [(mean_by_epoch(series, last), {*series.epochs}) for series in seeds.values()]
    found = []
    for column in columns:
        means = [
            fmean(known) if (known := [values[n - 1] for n in column if n in own]) else nan
            for values, own in runs
        ]
        found.append(fmean(means))
    return tuple(found)


def _caption(measured: Measured, heat: HeatMaps, labels: Mapping[str, str]) -> str:
    sizes = {len(seeds) for layers in measured.by_layer.values() for seeds in layers.values()}
    width = len(heat.columns[0])
    shown, known = len(heat.layers), len(measured.layers)
    rows = [row for one in heat.maps for row in one.rows]
    parts = {
        f"Colour: mean over {say_seeds(sizes)}, on one scale for all cells"
        f"{', logarithmic' if heat.scale.is_log else ''}.": True,
        "Rows: layers, from the input down to the output.": True,
        f"{shown} of {known} layers are shown"
        f"{', all of which every cell has' if all(rows) and len(heat.maps) > 1 else ''}.": (
            shown < known
        ),
        f"Each column is the mean of {count(width, 'epoch')}.": width > 1,
        "Values beyond the scale have the colour of its end.": heat.scale.is_cut,
        "Dotted: the cell has no such layer.": not all(rows),
        "Grey, struck through: no finite value, or none any more.": any(
            not isfinite(value) for row in rows for value in row
        ),
        say_missing(measured, labels): True,
        "Of a cell that is marked as diverged, no run finished.": any(
            map(has_diverged, measured.cells)
        ),
        say_cells(measured.left_out): True,
    }
    return " ".join(text for text, is_said in parts.items() if text and is_said)


def _describe(one: Map, layers: Sequence[str]) -> str:
    ends = {
        layer: row[-1]
        for layer, row in zip(layers, one.rows, strict=True)
        if row and isfinite(row[-1])
    }
    name = ", ".join(one.title)
    if not ends:
        return f"{name}: no finite value at the end"
    low, high = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    return f"{name}: at the end {ends[low]:.3g} ({low}) to {ends[high]:.3g} ({high})"


def _draw(heat: HeatMaps, *, is_wide: bool) -> Sheet:
    longest = _LONGEST_LAYER if is_wide else _LONGEST_NARROW
    names = shorten_names(heat.layers, longest)
    left = 10 + text_width(names)
    width = WIDE if is_wide else NARROW
    per_row = _count_per_row(len(heat.maps), 4 if is_wide else 2)
    each = min(_WIDEST, (width - left - 14 - _BETWEEN * (per_row - 1)) / per_row)
    titles = [
        [line for part in one.title for line in wrap_label(part, max(8, int((each - 18) / 8)))]
        for one in heat.maps
    ]
    groups = [range(start, min(start + per_row, len(heat.maps)))
              for start in range(0, len(heat.maps), per_row)]  # fmt: skip
    inner = _ROW * len(heat.layers)
    above = [max(len(titles[n]) for n in group) * LINE_HEIGHT + 8 for group in groups]
    height = BAR_ROOM + sum(inner + room + _BELOW for room in above)
    sheet = Sheet(width, height)
    draw_bar(sheet, heat.scale, left, height)
    top = height - BAR_ROOM
    for group, room in zip(groups, above, strict=True):
        bottom = top - room - inner
        for place, number in enumerate(group):
            start = left + place * (each + _BETWEEN)
            panel = sheet.add_panel(start, bottom, start + each, bottom + inner)
            draw_map(panel, heat.maps[number].rows, len(heat.columns), heat.scale)
            _write_title(panel, heat.maps[number].style, titles[number])
            _write_epochs(panel, heat.columns, is_named=place == 0)
        for row, name in enumerate(names):
            middle = bottom + inner - _ROW * (row + 0.5)
            sheet.write([name], left - 8, middle, color=MUTED, ha="right", fontsize=12)
        top = bottom - _BELOW
    return sheet


def _count_per_row(number: int, most: int) -> int:
    return ceil(number / ceil(number / most))


def _write_title(panel: Panel, style: Style, lines: Sequence[str]) -> None:
    middle = panel.top + 4 + LINE_HEIGHT * len(lines) / 2
    panel.sheet.mark(style, panel.left + 6, middle + LINE_HEIGHT * (len(lines) - 1) / 2)
    panel.sheet.write(lines, panel.left + 18, middle)


def _write_epochs(panel: Panel, columns: Sequence[range], *, is_named: bool) -> None:
    """Writes the first epoch of some columns below them, as many as there is room for."""
    each = (panel.right - panel.left) / len(columns)
    room = text_width([str(columns[-1].start)]) + 12
    every = max(1, ceil(room / each))
    # Round epochs, so that 5, 10, 15 are named rather than 1, 4, 7.
    every = next((step for step in (1, 2, 5, 10, 20, 50) if step >= every), every)
    is_regular = all(len(column) == 1 for column in columns) and columns[-1].start == len(columns)
    for place, column in enumerate(columns):
        is_shown = (place + 1) % every == 0 if is_regular and every > 1 else place % every == 0
        if is_shown or (is_regular and place == 0 and every > 2):
            x = panel.left + each * (place + 0.5)
            panel.sheet.write([str(column.start)], x, panel.bottom - 11, color=MUTED, ha="center")
    if is_named:
        panel.sheet.write(["epoch"], panel.left, panel.bottom - 27, color=MUTED)
