"""What diagnostics measured: heat maps of layers over epochs, and bands over steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat, takewhile, zip_longest
from math import ceil, inf, isfinite, nan, sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.diagnostics import MOST_CELLS, mean_by_epoch, merge_orders
from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.aggregates import Curve, aggregate
from bnexp.reports.figures.heat import BAR_ROOM, ColourScale, draw_bar, draw_map
from bnexp.reports.figures.legend import BELOW_AXES, Name, measure_names, write_below, write_beside
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Chart,
    Panel,
    Sheet,
    format_ticks,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import (
    LEAST_FOR_BAND,
    LINE_WIDTH,
    MUTED,
    Style,
    cell_styles,
    describe_bands,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.diagnostics import WHOLE, split_diagnostic
from bnexp.runs.record import Series
from bnexp.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LAYERS = 32
"""Rows of a heat map; of more layers, as many at even distances are shown."""
_MOST_COLUMNS = 30
"""Columns of a heat map; each of more epochs is a mean over several."""
_MOST_WITH_SEEDS = 3
"""Lines over steps beyond which single seeds would only hide the means."""
_MOST_POINTS = 200
"""Points of a line over steps; each of more is a mean over several."""
_LEAST_FOR_LOG = 10.0
"""The ratio of the largest to the smallest value from which an axis is logarithmic."""

_ROW = 15.0
_BETWEEN = 14.0
"""Pixels between two maps."""
_WIDEST = 400.0
"""Pixels of a map at most."""
_BELOW = 44.0
"""Pixels below a row of maps, for the epochs."""
_LONGEST_LAYER, _LONGEST_NARROW = 28, 16
"""Characters of a layer's name that are shown."""
_TOP, _BOTTOM = 34.0, 46.0
_HEIGHT, _NARROW_HEIGHT = 260.0, 210.0
"""Of the axes of lines over steps, unless the names beside them need more."""

_LOWEST, _HIGHEST = "_lowest", "_highest"
"""What the names of two quantities end with that are the ends of one range."""

ByLayer = Mapping[str, Mapping[str, Mapping[int, Series]]]
"""Series by the name of the cell, the layer and the seed."""


@dataclass(frozen=True)
class Measured:
    """One quantity that diagnostics measured, in the cells that are shown."""

    name: str
    cells: tuple[CellResult, ...]
    by_layer: ByLayer
    layers: tuple[str, ...]
    """All layers of all cells, in the order of the networks."""
    left_out: int
    """Cells that are not shown."""


@dataclass(frozen=True)
class Map:
    """The heat map of one cell."""

    title: tuple[str, ...]
    """Its name, in lines that fit above it, is broken when it is drawn."""
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


@dataclass(frozen=True)
class Line:
    """One cell's values over the steps."""

    name: Name
    steps: tuple[float, ...]
    """Those at which all seeds have a finite value."""
    curve: Curve
    """At these steps; without an interval if no band is drawn."""
    seeds: tuple[tuple[Sequence[float], Sequence[float]], ...]
    """The steps and values of each."""
    has_diverged: bool
    has_gaps: bool
    """Whether steps at which only some seeds have a finite value are left out."""


@dataclass(frozen=True)
class Lines:
    """All that a drawing over steps shows."""

    quantity: str
    lines: tuple[Line, ...]
    limits: tuple[float, float]
    is_log: bool


def build_diagnostics(comparison: Comparison) -> dict[str, Chart]:
    """Returns a figure of each quantity that diagnostics measured, by its name.

    A quantity of several layers is a heat map per cell, all with the same colours: layers over
    epochs, the mean over the seeds. One of the whole network is a line per cell over the steps;
    two that are the ends of a range, e.g. of the loss along the gradient, are a band.
    """
    charts: dict[str, Chart | None] = {}
    collected = {measured.name: measured for measured in _collect(comparison)}
    for name, measured in collected.items():
        stem = name.removesuffix(_LOWEST)
        highest = collected.get(f"{stem}{_HIGHEST}")
        if stem != name and highest and WHOLE in measured.layers:
            charts[stem] = _build_ranges(comparison, measured, highest)
    ranged = {f"{stem}{end}" for stem in charts for end in (_LOWEST, _HIGHEST)}
    for measured in collected.values():
        layers = tuple(layer for layer in measured.layers if layer != WHOLE)
        if len(layers) == 1:
            charts[measured.name] = _build_lines(comparison, measured, layers[0])
        elif layers:
            charts[measured.name] = _build_maps(comparison, replace(measured, layers=layers))
        if WHOLE in measured.layers and measured.name not in ranged:
            name = f"{measured.name}_{WHOLE}" if layers else measured.name
            charts[name] = _build_lines(comparison, measured, WHOLE)
    return {name: chart for name, chart in charts.items() if chart is not None}


def _collect(comparison: Comparison) -> Iterator[Measured]:
    tags = merge_orders(cell.diagnostics for cell in comparison.cells)
    names = dict.fromkeys(split_diagnostic(tag)[0] for tag in tags)
    cells = tuple(cell for cell in comparison.cells if cell.diagnostics)
    # The baseline is always shown, and comes first.
    cells = tuple(sorted(cells, key=lambda cell: cell.cell != comparison.baseline))
    for name in names:
        own = {
            tag: layer for tag in tags for found, layer in [split_diagnostic(tag)] if found == name
        }
        by_layer = {
            cell.cell: {
                layer: cell.diagnostics[tag]
                for tag, layer in own.items()
                if tag in cell.diagnostics
            }
            for cell in cells
        }
        left_out = len(comparison.cells) - MOST_CELLS
        yield Measured(name, cells, by_layer, tuple(own.values()), max(0, left_out))


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _say_cells(measured: Measured) -> str:
    if not measured.left_out:
        return ""
    others = f"the first {MOST_CELLS - 1} of {MOST_CELLS - 1 + measured.left_out} other cells"
    return f"Only the baseline and {others} are shown."


def _say_states(measured: Measured) -> str:
    diverged = [cell for cell in measured.cells if not cell.statuses.get("finished")]
    return "Of a cell that is marked as diverged, no run finished." if diverged else ""


def _say_missing(measured: Measured, labels: Mapping[str, str]) -> str:
    missing = [
        space_label(labels[cell.cell])
        for cell in measured.cells
        if not measured.by_layer[cell.cell].keys() & {*measured.layers}
    ]
    return f"Not measured: {'; '.join(missing)}." if missing else ""


def _note(cell: CellResult) -> str:
    return "" if cell.statuses.get("finished") else "diverged"


def _build_maps(comparison: Comparison, measured: Measured) -> Chart | None:
    layers = _choose_layers(measured)
    columns = _choose_columns(measured)
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    maps = tuple(
        Map(
            tuple(filter(None, (labels[cell.cell], _note(cell)))),
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
    words = _in_words(measured.name)
    return Chart(
        words.capitalize(),
        f"{comparison.experiment}: {words} of each layer over the epochs",
        _caption_maps(comparison, measured, heat),
        "; ".join(_describe_map(one, layers) for one in maps),
        lambda is_wide: _draw_maps(heat, is_wide=is_wide),
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


def _caption_maps(comparison: Comparison, measured: Measured, heat: HeatMaps) -> str:
    sizes = {len(seeds) for layers in measured.by_layer.values() for seeds in layers.values()}
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "the seeds"
    width = len(heat.columns[0])
    shown, known = len(heat.layers), len(measured.layers)
    are_shared = all(row for one in heat.maps for row in one.rows)
    rows = [row for one in heat.maps for row in one.rows]
    parts = {
        f"Colour: mean over {seeds}, on one scale for all cells"
        f"{', logarithmic' if heat.scale.is_log else ''}.": True,
        "Rows: layers, from the input down to the output.": True,
        f"{shown} of {known} layers are shown"
        f"{', all of which every cell has' if are_shared and len(heat.maps) > 1 else ''}.": (
            shown < known
        ),
        f"Each column is the mean of {count(width, 'epoch')}.": width > 1,
        "Values beyond the scale have the colour of its end.": heat.scale.is_cut,
        "Dotted: the cell has no such layer.": any(not row for row in rows),
        "Grey, struck through: no finite value, or none any more.": any(
            not isfinite(value) for row in rows for value in row
        ),
        _say_missing(measured, shorten_cell_names(comparison)): True,
        _say_states(measured): True,
        _say_cells(measured): True,
    }
    return " ".join(text for text, is_said in parts.items() if text and is_said)


def _describe_map(one: Map, layers: Sequence[str]) -> str:
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


def _draw_maps(heat: HeatMaps, *, is_wide: bool) -> Sheet:
    longest = _LONGEST_LAYER if is_wide else _LONGEST_NARROW
    names = _shorten_names(heat.layers, longest)
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


def _shorten_names(names: Sequence[str], longest: int) -> list[str]:
    """Returns names of layers that fit, the numbers in them kept, which tell layers apart.

    If one is too long, what all begin with is left out, and then the ends of long words.
    """
    if max(map(len, names)) <= longest:
        return list(names)
    words = [name.split(".") for name in names]
    columns = zip(*words, strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len({*column}) == 1, columns))
    words = [own[shared:] or own for own in words]
    shown = list(names)
    for most in (16, 8, 5, 3):
        shown = [".".join(_cut(word, most) for word in own) for own in words]
        if max(map(len, shown)) <= longest:
            break
    return [_cut(name, longest) for name in shown]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _build_lines(comparison: Comparison, measured: Measured, layer: str) -> Chart | None:
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    by_layer = {
        cell: {layer: layers[layer]} if layer in layers else {}
        for cell, layers in measured.by_layer.items()
    }
    measured = replace(measured, by_layer=by_layer)
    found = [
        (cell, [*seeds.values()])
        for cell in measured.cells
        if (seeds := measured.by_layer[cell.cell].get(layer))
    ]
    values = [
        value
        for _, seeds in found
        for series in seeds
        for value in series.values
        if isfinite(value)
    ]
    if not values:
        return None
    is_log = min(values) > 0 and max(values) >= _LEAST_FOR_LOG * min(values)
    lines = tuple(
        _build_line(
            Name(labels[cell.cell], _note(cell), styles[cell.cell]),
            seeds,
            is_log=is_log,
            is_crowded=len(found) > _MOST_WITH_SEEDS,
            has_diverged=bool(_note(cell)),
        )
        for cell, seeds in found
    )
    is_alone = [*measured.layers] == [WHOLE]
    place = "" if is_alone else " of the whole network" if layer == WHOLE else f" of {layer}"
    name = _in_words(measured.name) + place
    return Chart(
        name[:1].upper() + name[1:],
        f"{comparison.experiment}: {name} over the steps",
        _caption_lines(measured, lines, labels, is_log=is_log),
        "; ".join(map(_describe_line, lines)),
        lambda is_wide: _draw_lines(
            Lines(name, lines, _find_limits(lines, is_log=is_log), is_log), is_wide=is_wide
        ),
        describe_selection(comparison.where),
    )


def _build_ranges(comparison: Comparison, lowest: Measured, highest: Measured) -> Chart | None:
    """Returns the figure of a range that has a mean lowest and a mean highest end at each step."""
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    found = [
        (cell, [*low[WHOLE].values()], [*high[WHOLE].values()])
        for cell in lowest.cells
        for low, high in [(lowest.by_layer[cell.cell], highest.by_layer[cell.cell])]
        if WHOLE in low and WHOLE in high
    ]
    every = [series for _, low, high in found for series in (*low, *high)]
    values = [value for series in every for value in series.values if isfinite(value)]
    if not values:
        return None
    is_log = min(values) > 0 and max(values) >= _LEAST_FOR_LOG * min(values)
    lines = []
    for cell, low, high in found:
        name = Name(labels[cell.cell], _note(cell), styles[cell.cell])
        bottom, top = (
            _build_line(name, one, is_log=is_log, is_crowded=True, has_diverged=bool(_note(cell)))
            for one in (low, high)
        )
        # Both ends are measured in the same pass, so at the same steps.
        if bottom.curve.mean and bottom.steps == top.steps:
            between = [*map(_find_middle, bottom.curve.mean, top.curve.mean, repeat(is_log))]
            curve = Curve(between, bottom.curve.mean, top.curve.mean)
            lines.append(replace(bottom, curve=curve, seeds=()))
    if not lines:
        return None
    sizes = {len(low) for _, low, _ in found}
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "the seeds"
    stem = _in_words(lowest.name.removesuffix(_LOWEST))
    mean = "geometric means" if is_log else "means"
    axis = ", on a logarithmic axis" if is_log else ""
    parts = [f"Band: from the lowest to the highest value of a step, {mean} over {seeds}{axis}."]
    parts += ["Line: the middle between them.", _say_missing(lowest, labels), _say_cells(lowest)]
    return Chart(
        stem.capitalize(),
        f"{comparison.experiment}: range of the {stem} over the steps",
        " ".join(filter(None, parts)),
        "; ".join(map(_describe_line, lines)),
        lambda is_wide: _draw_lines(
            Lines(stem, tuple(lines), _find_limits(lines, is_log=is_log), is_log), is_wide=is_wide
        ),
        describe_selection(comparison.where),
    )


def _find_middle(low: float, high: float, is_log: bool) -> float:
    return sqrt(low * high) if is_log else (low + high) / 2


def _build_line(
    name: Name, seeds: Sequence[Series], *, is_log: bool, is_crowded: bool, has_diverged: bool
) -> Line:
    """Returns the line of one cell, whose seeds are measured at the same steps, if they get there.

    Of a large span it is the mean of logarithms, as is its band.
    """
    size = ceil(max(len(series.steps) for series in seeds) / _MOST_POINTS)
    there, back = (np.log, np.exp) if is_log else (np.array, np.array)
    steps = [_thin(series.steps, size) for series in seeds]
    values = [there(_thin(series.values, size)).tolist() for series in seeds]
    rows = list(zip(*values, strict=False))
    whole = [place for place, row in enumerate(rows) if all(map(isfinite, row))]
    curve = aggregate([[one[place] for place in whole] for one in values])
    curve = Curve(*(back(one).tolist() for one in curve))
    has_band = len(seeds) >= LEAST_FOR_BAND
    drawn = tuple(zip(steps, (back(one).tolist() for one in values), strict=True))
    return Line(
        name,
        tuple(steps[0][place] for place in whole),
        curve if has_band else Curve(curve.mean),
        () if is_crowded and has_band and curve.mean else drawn,
        has_diverged,
        len(whole) < len(rows),
    )


def _thin(values: Sequence[float], size: int) -> tuple[float, ...]:
    """Returns the means of so many values after another."""
    groups = zip_longest(*[iter(values)] * size)
    return tuple(fmean(one for one in group if one is not None) for group in groups)


def _find_limits(lines: Sequence[Line], *, is_log: bool) -> tuple[float, float]:
    curves = [
        curve for line in lines for curve in (*line.curve, *(values for _, values in line.seeds))
    ]
    values = [value for curve in curves for value in curve if isfinite(value)]
    if not is_log:
        # A band does not make figures negative that never are.
        is_positive = all(value >= 0 for line in lines for value in line.curve.mean)
        return pad_limits(values, 0.06, (0.0 if is_positive else -inf, inf))
    low, high = min(values), max(values)
    room = (high / low) ** 0.06 if high > low else 2.0
    return low / room, high * room


def _caption_lines(
    measured: Measured, lines: Sequence[Line], labels: Mapping[str, str], *, is_log: bool
) -> str:
    sizes = {len(measured.by_layer[cell][layer]) for cell, layer in _pairs(measured)}
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "the seeds"
    mean = "geometric mean" if is_log else "mean"
    parts = {
        f"Line: {mean} over {seeds}{', on a logarithmic axis' if is_log else ''}.": True,
        describe_bands("Band", sizes): max(sizes) >= LEAST_FOR_BAND,
        "Thin: single seeds.": any(line.seeds for line in lines) and max(sizes) > 1,
        "×: the runs diverged.": any(line.has_diverged for line in lines),
        "Steps without a finite value in every seed are left out.": any(
            line.has_gaps for line in lines
        ),
        _say_missing(measured, labels): True,
        _say_cells(measured): True,
    }
    return " ".join(text for text, is_said in parts.items() if text and is_said)


def _pairs(measured: Measured) -> Iterator[tuple[str, str]]:
    return ((cell, layer) for cell, layers in measured.by_layer.items() for layer in layers)


def _describe_line(line: Line) -> str:
    label = space_label(line.name.label)
    if not line.curve.mean:
        return f"{label}: no mean"
    return f"{label}: {line.curve.mean[0]:.3g} at first, {line.curve.mean[-1]:.3g} at the end"


def _draw_lines(shown: Lines, *, is_wide: bool) -> Sheet:
    names = [line.name for line in shown.lines]
    beside, extent = measure_names(names, is_wide=is_wide)
    ticks = _find_ticks(shown, 6 if is_wide else 5)
    left = 18 + text_width(_label(ticks, shown))
    if is_wide:
        sheet = Sheet(WIDE, max(_HEIGHT, extent) + _TOP + _BOTTOM)
        bottom, right = _BOTTOM, WIDE - beside
    else:
        sheet = Sheet(NARROW, _NARROW_HEIGHT + _TOP + _BOTTOM + BELOW_AXES + extent)
        bottom, right = _BOTTOM + BELOW_AXES + extent, NARROW - 14
    panel = sheet.add_panel(left, bottom, right, sheet.height - _TOP)
    _draw_axes(panel, shown, ticks)
    for line in shown.lines:
        _draw_line(panel.axes, line)
    if is_wide:
        write_beside(panel, names, [_find_end(panel, line, shown) for line in shown.lines])
    else:
        write_below(sheet, names, extent)
    return sheet


def _find_ticks(shown: Lines, most: int) -> tuple[float, ...]:
    if shown.is_log:
        return ColourScale(*shown.limits, True, False, False).ticks(most)
    return round_ticks(*shown.limits, most)


def _label(ticks: Sequence[float], shown: Lines) -> list[str]:
    return [f"{tick:g}" for tick in ticks] if shown.is_log else format_ticks(ticks)


def _list_steps(lines: Sequence[Line]) -> list[float]:
    return [
        step
        for line in lines
        for steps in (line.steps, *(steps for steps, _ in line.seeds))
        for step in steps
    ]


def _draw_axes(panel: Panel, shown: Lines, ticks: Sequence[float]) -> None:
    axes = panel.axes
    if shown.is_log:
        axes.set_yscale("log")
    axes.set_ylim(shown.limits)
    axes.yaxis.set_ticks(ticks, _label(ticks, shown))
    axes.yaxis.set_ticks([], minor=True)
    steps = _list_steps(shown.lines)
    first, last = min(steps), max(steps)
    axes.set_xlim(*((first, last) if last > first else (first - 1, first + 1)))
    panel.set_ticks("x", round_ticks(first, last, 6 if panel.sheet.is_wide else 5, is_whole=True))
    axes.grid(axis="y")
    panel.sheet.write([shown.quantity], panel.left - 8, panel.top + 22, color=MUTED)
    panel.sheet.write(["step"], panel.right, panel.bottom - 34, color=MUTED, ha="right")


def _draw_line(axes: Axes, line: Line) -> None:
    colour, (mean, low, high) = line.name.style.colour, line.curve
    at = line.steps
    if low:
        axes.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0)
    thin: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.45}
    for steps, values in line.seeds:
        axes.plot(steps, values, **thin)
    axes.plot(at, mean, color=colour, linewidth=LINE_WIDTH, zorder=3)
    every = max(1, len(at) // 8)
    axes.plot(at[::every], mean[::every], **marker(line.name.style), zorder=3.1, clip_on=False)
    if line.has_diverged and at:
        look: dict[str, Any] = {"color": colour, "marker": "x", "markersize": 9, "mew": 2.2}
        axes.plot(at[-1:], mean[-1:], ls="", **look, zorder=3.2, clip_on=False)


def _find_end(panel: Panel, line: Line, shown: Lines) -> tuple[float, float] | None:
    """Returns where the line ends, or None if that is before the others do."""
    mean, last = line.curve.mean, max(_list_steps(shown.lines))
    if not mean or line.steps[-1] < last:
        return None
    return panel.place(last, mean[-1])
