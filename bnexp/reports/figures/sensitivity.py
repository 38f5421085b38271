"""Sensitivity: the metric over a swept number, e.g. the learning rate, with a line per variant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.metrics import as_number, better_direction, natural_range
from bnexp.analysis.results import CellResult, Comparison
from bnexp.config.sweep.names import short_names
from bnexp.reports.figures.legend import Name, Room, add_named_panel, write_names
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    Chart,
    Panel,
    Sheet,
    draw_reference,
    format_ticks,
    marker,
    pad_limits,
    round_ticks,
    text_width,
)
from bnexp.reports.figures.style import (
    LEAST_FOR_BAND,
    LINE_WIDTH,
    MOST_WITH_BANDS,
    MUTED,
    Style,
    assign_styles,
    describe_bands,
    find_dashes,
)
from bnexp.reports.words.cell_names import name_settings
from bnexp.reports.words.formatting import (
    MetricFormat,
    find_interval,
    metric_format,
    with_unit,
)
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.record import Scalar
from bnexp.wording import count, write_value

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

_LEAST_FOR_LOG = 8
"""The ratio of largest to smallest value from which their axis is logarithmic."""

_DOTS: LineStyleType = (0, (1, 1.4))

_SMALLEST, _LARGEST = 1e-100, 1e100
"""Between which an axis can be drawn, 0 apart: beyond, logarithms and their powers overflow."""

_ROOM = Room(height=330.0, narrow_height=240.0, top=36.0, bottom=50.0)
_MARGIN = 0.06
"""Share of the axis between its ends and the values."""
_SEEDS_APART, _SEEDS_SPREAD = 5.0, 20.0
"""Pixels between the seeds of two lines at one value, and the most between those of all."""
_DIVERGED = "diverged"


@dataclass(frozen=True)
class Point:
    """One cell in the unit that is shown: where it stands on the axis, and what came of it."""

    at: float
    """NaN if the cell has no number for the key."""
    mean: float
    """Over the finished runs; NaN without any."""
    interval: tuple[float, float] | None
    """None if no band is drawn."""
    seeds: tuple[float, ...]
    diverged: int
    ended: int
    """Runs that finished or diverged."""
    is_chosen: bool = False
    """Whether it is ringed."""


@dataclass(frozen=True)
class Extras:
    """What a figure of a claim adds to that of a whole comparison."""

    styles: Mapping[str, Style] = field(default_factory=dict)
    """How the line of each cell looks; empty to choose."""
    bounds: tuple[float, float] | None = None
    """Between which the values lie; None for the metric's natural range."""
    reference: tuple[float, str] | None = None
    """A value that all are compared with, and what it is called."""
    chosen: Collection[str] = ()
    """Cells that are ringed."""
    unit: str | None = None
    """What the values are in; None for the metric's unit."""
    words: Mapping[float, str] = field(default_factory=dict)
    """What stands at the places of an axis that is none of numbers."""
    rules: tuple[tuple[float, str], ...] = ()
    """Places of dashed upright lines, each with a cell whose line it belongs to."""


_NOTHING = Extras()


@dataclass(frozen=True)
class Line:
    """The cells that differ in the key alone, by ascending value; or one without a number."""

    name: Name
    points: tuple[Point, ...]

    @property
    def is_level(self) -> bool:
        """Whether its cell has no place on the axis."""
        return not isfinite(self.points[0].at)

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return sum(point.diverged for point in self.points)


@dataclass(frozen=True)
class Sensitivity:
    """All that a drawing shows; values in the unit that is shown."""

    axis_name: str
    lines: tuple[Line, ...]
    shown: MetricFormat
    limits: tuple[float, float]
    extras: Extras = _NOTHING

    @property
    def values(self) -> tuple[float, ...]:
        """The values of the key, ascending."""
        found = {point.at for line in self.lines for point in line.points if not line.is_level}
        return tuple(sorted(found))

    @property
    def diverging(self) -> tuple[Line, ...]:
        """The lines of which runs diverged."""
        return tuple(line for line in self.lines if line.diverged)

    @property
    def edges(self) -> tuple[float, float]:
        """The pixels below and above the axes in which stands what diverged, the worse side."""
        room = LINE_HEIGHT * len(self.diverging) + 6 if self.diverging else 0.0
        return (room, 0.0) if better_direction(self.shown.metric) >= 0 else (0.0, room)


def build_sensitivities(comparison: Comparison) -> dict[str, Chart]:
    """Returns a figure for each number that the cells differ in, by the key's short name.

    It shows the mean with a 95 % t band, a point per seed, and how many runs diverged, over
    the values of the key. Cells that differ in nothing else are joined by a line, in the
    colour of their norm. A key is left out if no line would have two values, if cells of
    several experiments stand at the same place of a line, or if no axis could hold its values.
    """
    names = dict(zip(comparison.differing, short_names(comparison.differing), strict=True))
    charts = {key: _build_chart(comparison, key, names) for key in names}
    return {names[key]: chart for key, chart in charts.items() if chart is not None}


def _build_chart(comparison: Comparison, key: str, names: Mapping[str, str]) -> Chart | None:
    sensitivity = find_sensitivity(comparison, key)
    if sensitivity is None:
        return None
    word = _in_words(names[key])
    return Chart(
        f"Sensitivity to {word}",
        f"{comparison.experiment}: {comparison.metric} over {sensitivity.axis_name}",
        describe_reading(comparison, sensitivity, word),
        describe_lines(sensitivity),
        lambda is_wide: draw_sensitivity(sensitivity, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def find_sensitivity(
    comparison: Comparison, key: str, extras: Extras = _NOTHING
) -> Sensitivity | None:
    """Returns the metric over the values of a key, or None if no line would have two of them.

    Or if cells of several experiments stand at the same place of a line, or if no axis could
    hold the values.
    """
    names = dict(zip(comparison.differing, short_names(comparison.differing), strict=True))
    numbers = {cell.cell: _find_number(cell, key) for cell in comparison.cells}
    different = {number for number in numbers.values() if number is not None}
    if len(different) < 2 or not all(map(_has_place, different)):
        return None
    bound, rest = _split_keys(comparison, key)
    groups = _group_cells(comparison, rest)
    found = [[numbers[cell.cell] for cell in cells] for cells in groups]
    placed = [[number for number in group if number is not None] for group in found]
    if max(map(len, placed)) < 2 or any(len({*group}) < len(group) for group in found):
        return None
    shown = metric_format(comparison)
    lines = tuple(_build_lines(comparison, key, names, rest, groups, extras))
    points = [point for line in lines for point in line.points]
    values = [value for point in points for value in (*point.seeds, *(point.interval or ()))]
    if not values:
        return None
    if extras.reference:
        values.append(extras.reference[0] * shown.scale)
    low, high = (end * shown.scale for end in extras.bounds or natural_range(comparison.metric))
    return Sensitivity(
        _name_axis(_in_words(names[key]), [_in_words(names[other]) for other in bound]),
        lines,
        shown,
        pad_limits(values, 0.06, (low, high)),
        extras,
    )


def find_line_styles(comparison: Comparison, key: str) -> dict[str, Style]:
    """Returns by cell how its line over the values of the key looks in the comparison's figure."""
    _, rest = _split_keys(comparison, key)
    groups = _group_cells(comparison, rest)
    styles = assign_styles([_select(cells[0], rest) for cells in groups], rest)
    return {cell.cell: style for cells, style in zip(groups, styles, strict=True) for cell in cells}


def _split_keys(comparison: Comparison, key: str) -> tuple[list[str], list[str]]:
    """Returns the other keys: those that move with the key, and those that tell lines apart."""
    others = [other for other in comparison.differing if other != key]
    bound = [other for other in others if _moves_with(comparison, other, key)]
    return bound, [other for other in others if other not in bound]


def _has_place(number: float) -> bool:
    return number == 0 or _SMALLEST <= abs(number) <= _LARGEST


def _name_axis(word: str, bound: Sequence[str]) -> str:
    return f"{word}, and with it {' and '.join(bound)}" if bound else word


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _find_number(cell: CellResult, key: str) -> float | None:
    value = cell.settings.get(key)
    return None if isinstance(value, bool) else as_number(value)


def _moves_with(comparison: Comparison, other: str, key: str) -> bool:
    """Whether each value of the key comes with one number of the other key, and none without."""
    pairs = {(_find_number(cell, key), _find_number(cell, other)) for cell in comparison.cells}
    pairs = {pair for pair in pairs if pair[0] is not None}
    is_known = all(number is not None for _, number in pairs)
    return is_known and len({number for number, _ in pairs}) == len(pairs)


def _group_cells(comparison: Comparison, keys: Sequence[str]) -> list[list[CellResult]]:
    """Returns the cells that agree in the keys together, those of the baseline first."""
    groups: dict[str, list[CellResult]] = {}
    for cell in sorted(comparison.cells, key=lambda cell: cell.cell != comparison.baseline):
        groups.setdefault(repr([cell.settings.get(key) for key in keys]), []).append(cell)
    return [*groups.values()]


def _build_lines(
    comparison: Comparison,
    key: str,
    names: Mapping[str, str],
    rest: Sequence[str],
    groups: Sequence[Sequence[CellResult]],
    extras: Extras,
) -> Iterator[Line]:
    """Yields a line per group, and a level one for its cell that has no number, if there is one."""
    rows = [_select(cells[0], rest) for cells in groups]
    labels = name_settings(rest, rows) or [_spell(row, names) for row in rows]
    styles = assign_styles(rows, rest)
    if extras.styles:
        styles = [extras.styles[cells[0].cell] for cells in groups]
    scale, bounds = (
        metric_format(comparison).scale,
        extras.bounds or natural_range(comparison.metric),
    )
    is_crowded = len(groups) > MOST_WITH_BANDS
    make = partial(_build_point, key, scale, bounds, extras.chosen, is_crowded=is_crowded)
    for cells, label, style, dashes in zip(
        groups, labels, styles, find_dashes(styles), strict=True
    ):
        placed = [cell for cell in cells if _find_number(cell, key) is not None]
        level = [cell for cell in cells if _find_number(cell, key) is None]
        if placed:
            whole = "" if label or not level else f"{_in_words(names[key])} as on the axis"
            points = tuple(sorted(map(make, placed), key=lambda point: point.at))
            yield Line(Name(label or whole, "", style, dashes), points)
        for cell in level:
            value = _spell(_select(cell, [key]), names) if placed else ""
            name = ", ".join(filter(None, (label, value)))
            yield Line(Name(name, "", style, _DOTS), (make(cell),))


def _select(cell: CellResult, keys: Sequence[str]) -> dict[str, Scalar]:
    return {key: cell.settings[key] for key in keys if key in cell.settings}


def _spell(row: Mapping[str, Scalar], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[key]}={write_value(value)}" for key, value in row.items())


def _build_point(
    key: str,
    scale: float,
    bounds: tuple[float, float],
    chosen: Collection[str],
    cell: CellResult,
    *,
    is_crowded: bool,
) -> Point:
    number, interval = _find_number(cell, key), find_interval(cell)
    if interval is not None:
        low, high = (float(np.clip(end, *bounds)) * scale for end in interval)
    return Point(
        nan if number is None else number,
        nan if cell.mean is None else cell.mean * scale,
        None if interval is None or is_crowded or cell.n < LEAST_FOR_BAND else (low, high),
        tuple(value * scale for value in cell.values.values()),
        cell.diverged,
        cell.statuses.get("finished", 0) + cell.diverged,
        cell.cell in chosen,
    )


def describe_reading(comparison: Comparison, sensitivity: Sensitivity, word: str) -> str:
    """Returns how the figure is to be read; `word` is what the axis's number is called."""
    sizes = {cell.n for cell in comparison.cells if cell.n}
    seeds = count(min(sizes), "seed") if len(sizes) == 1 else "the finished runs"
    is_single = sizes == {1}
    points = [point for line in sensitivity.lines for point in line.points]
    parts = {
        "One seed per point.": is_single,
        f"Line: mean over {seeds}.": not is_single,
        describe_bands("Band", sizes): any(point.interval for point in points),
        "Small: single seeds.": not is_single,
        "×: runs that diverged, of those that ended; they are in no mean.": bool(
            sensitivity.diverging
        ),
        f"Dotted: a cell without a number for {word}, its seeds at the left edge.": any(
            line.is_level for line in sensitivity.lines
        ),
    }
    return " ".join(text for text, is_said in parts.items() if is_said)


def describe_lines(sensitivity: Sensitivity) -> str:
    """Returns what the figure shows, in words."""
    return "; ".join(_describe(line, sensitivity) for line in sensitivity.lines)


def _describe(line: Line, sensitivity: Sensitivity) -> str:
    shown, words, parts = sensitivity.shown, sensitivity.extras.words, []
    for point in line.points:
        place = "" if line.is_level else f" at {_write_place(point.at, words)}"
        mean = shown.value(point.mean / shown.scale) if isfinite(point.mean) else "no mean"
        fate = f" ({point.diverged} of {point.ended} diverged)" if point.diverged else ""
        parts.append(f"{mean}{place}{fate}")
    return ": ".join(filter(None, (line.name.label, ", ".join(parts))))


def _write_place(value: float, words: Mapping[float, str]) -> str:
    return words.get(value) or _write_number(value)


def _write_number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:g}"


def draw_sensitivity(sensitivity: Sensitivity, *, is_wide: bool) -> Sheet:
    """Returns the drawing, the names of the lines beside it if it is wide, else below it."""
    lines, names = sensitivity.lines, [line.name for line in sensitivity.lines]
    if len(lines) == 1 and not names[0].label:
        names = []
    panel = _add_panel(sensitivity, names, is_wide=is_wide)
    _draw_extras(panel, sensitivity)
    apart = min(_SEEDS_APART, _SEEDS_SPREAD / len(lines))
    for place, line in enumerate(lines):
        shift = (place - (len(lines) - 1) / 2) * apart
        (_draw_level if line.is_level else _draw_line)(panel, line, shift)
    _draw_diverging(panel, sensitivity)
    if names:
        write_names(panel, names, [_find_end(panel, line, sensitivity) for line in lines])
    return panel.sheet


def _add_panel(sensitivity: Sensitivity, names: Sequence[Name], *, is_wide: bool) -> Panel:
    """Returns the axes on a sheet with room for the names and for what diverged."""
    below, above = sensitivity.edges
    room = _ROOM._replace(top=_ROOM.top + above, bottom=_ROOM.bottom + below)
    ticks = round_ticks(*sensitivity.limits, 6 if is_wide else 5)
    left = 18 + text_width(format_ticks(ticks))
    if sensitivity.diverging:
        left = max(left, 30 + text_width([_DIVERGED]))
        room = room if is_wide else room._replace(margin=34.0)
    panel = add_named_panel(room, left, names, is_wide=is_wide)
    _draw_axes(panel, sensitivity, ticks)
    return panel


def _draw_axes(
    panel: Panel,
    sensitivity: Sensitivity,
    ticks: Sequence[float],
) -> None:
    axes, (below, above), values = panel.axes, sensitivity.edges, sensitivity.values
    scale = _set_scale(panel, values)
    axes.set_ylim(sensitivity.limits)
    panel.set_ticks("y", ticks)
    axes.xaxis.set_ticks(values, _label_ticks(panel, values, sensitivity.extras.words))
    axes.xaxis.set_ticks([], minor=True)
    axes.tick_params(axis="x", pad=below + 3.5)
    axes.grid(axis="both")
    unit = sensitivity.extras.unit
    shown = sensitivity.shown
    name = with_unit(shown.metric, shown.unit if unit is None else unit)
    panel.sheet.write([name], 0, panel.top + above + 24, color=MUTED)
    words = with_unit(sensitivity.axis_name, scale)
    middle = (panel.left + panel.right) / 2
    panel.sheet.write([words], middle, panel.bottom - below - 36, color=MUTED, ha="center")


def _set_scale(panel: Panel, values: Sequence[float]) -> str:
    """Sets the scale of the axis and its ends, and returns what is to be said about it.

    Beside values that need a logarithmic axis, 0 stands where the axis becomes linear.
    """
    axes, positive, scale = panel.axes, [value for value in values if value > 0], ""
    if values[0] >= 0 and positive and positive[-1] >= _LEAST_FOR_LOG * positive[0]:
        scale = "log scale" if values[0] else "log scale above 0"
        options = {} if values[0] else {"linthresh": positive[0], "linscale": 0.5}
        axes.set_xscale("log" if values[0] else "symlog", **options)
    transform = axes.xaxis.get_transform()
    low, high = transform.transform(np.array([values[0], values[-1]], dtype=float))
    room = (high - low) * _MARGIN
    axes.set_xlim(*transform.inverted().transform(np.array([low - room, high + room])))
    return scale


def _label_ticks(panel: Panel, values: Sequence[float], words: Mapping[float, str]) -> list[str]:
    """Returns each value as text, or no text if it would touch the label before it."""
    labels, end = [], -1.0
    for value in values:
        label, (middle, _) = _write_place(value, words), panel.place(value, 1)
        half = text_width([label]) / 2
        is_free = middle - half > end + 4
        labels.append(label if is_free else "")
        end = middle + half if is_free else end
    return labels


def _draw_line(panel: Panel, line: Line, shift: float) -> None:
    """Draws means, joined unless a value between them has none, with their bands and seeds."""
    axes, style, points = panel.axes, line.name.style, line.points
    at, means = [point.at for point in points], [point.mean for point in points]
    ends = np.array([point.interval or (nan, nan) for point in points])
    axes.fill_between(at, *ends.T, color=style.colour, alpha=0.14, linewidth=0)
    for point, is_alone in zip(points, _find_lonely(ends[:, 0].tolist()), strict=True):
        if point.interval and is_alone:
            look: dict[str, Any] = {"color": style.colour, "linewidth": LINE_WIDTH, "alpha": 0.4}
            axes.plot([point.at] * 2, point.interval, **look)
    seeds = [(point.at, value) for point in points for value in point.seeds]
    _draw_seeds(panel, seeds, style, shift)
    look = {"color": style.colour, "linestyle": line.name.line, "linewidth": LINE_WIDTH}
    axes.plot(at, means, **look, zorder=3, clip_on=False)
    axes.plot(at, means, **marker(style), zorder=3.1, clip_on=False)
    rings = [(point.at, point.mean) for point in points if point.is_chosen]
    ring: dict[str, Any] = {
        "color": style.colour,
        "fillstyle": "none",
        "markersize": 17,
        "mew": 1.6,
    }
    axes.plot(*np.array(rings).reshape(-1, 2).T, "o", **ring, zorder=3.2, clip_on=False)


def _draw_extras(panel: Panel, sensitivity: Sensitivity) -> None:
    """Draws the level that all are compared with, and upright lines, within the axes."""
    axes, extras = panel.axes, sensitivity.extras
    if extras.reference:
        value, words = extras.reference
        draw_reference(panel, value * sensitivity.shown.scale, words)
    left, right = axes.get_xlim()
    for place, cell in extras.rules:
        look: dict[str, Any] = {"color": extras.styles[cell].colour, "linewidth": 1.4}
        axes.axvline(min(max(place, left), right), **look, linestyle=(0, (4, 3)), zorder=1.2)


def _find_lonely(values: Sequence[float]) -> list[bool]:
    """Returns for each value whether it has no finite neighbour, so that no band reaches it."""
    around = [nan, *values, nan]
    pairs = zip(around, around[2:], strict=False)
    return [not isfinite(before) and not isfinite(after) for before, after in pairs]


def _draw_level(panel: Panel, line: Line, shift: float) -> None:
    (point,), style = line.points, line.name.style
    if point.interval:
        panel.axes.axhspan(*point.interval, color=style.colour, alpha=0.1, linewidth=0)
    if isfinite(point.mean):
        look: dict[str, Any] = {"color": style.colour, "linestyle": _DOTS, "linewidth": LINE_WIDTH}
        panel.axes.axhline(point.mean, **look, zorder=2.9)
    left, _ = panel.axes.get_xlim()
    _draw_seeds(panel, [(left, value) for value in point.seeds], style, abs(shift))


def _draw_seeds(
    panel: Panel, seeds: Sequence[tuple[float, float]], style: Style, shift: float
) -> None:
    """Draws the seeds, moved aside by pixels so that those of several lines can be seen."""
    from matplotlib.transforms import ScaledTranslation

    aside = ScaledTranslation(shift / 72, 0, panel.sheet.figure.dpi_scale_trans)
    xs, ys = zip(*seeds, strict=True) if seeds else ((), ())
    look: dict[str, Any] = {
        "color": style.colour,
        "markersize": 5,
        "alpha": 0.6,
        "mew": 0,
        "zorder": 2,
    }
    panel.axes.plot(xs, ys, "o", **look, transform=panel.axes.transData + aside, clip_on=False)


def _draw_diverging(panel: Panel, sensitivity: Sensitivity) -> None:
    """Draws a row for each line of which runs diverged, at the edge of the axes."""
    below, above = sensitivity.edges
    start = panel.bottom - 14 if below else panel.top + above - 8
    for row, line in enumerate(sensitivity.diverging):
        _mark_diverged(panel, line, start - LINE_HEIGHT * row)
        if row == 0:
            panel.sheet.write([_DIVERGED], panel.left - 24, start, color=MUTED, ha="right")


def _mark_diverged(panel: Panel, line: Line, height: float) -> None:
    """Draws a cross with the number of diverged runs at each value that has any."""
    from matplotlib.transforms import blended_transform_factory

    sheet, colour = panel.sheet, line.name.style.colour
    sheet.mark(line.name.style, panel.left - 12, height, size=0.8)
    points = [point for point in line.points if point.diverged]
    places = [panel.axes.get_xlim()[0] if line.is_level else point.at for point in points]
    transform = blended_transform_factory(panel.axes.transData, sheet.pixels)
    look: dict[str, Any] = {"color": colour, "marker": "x", "ls": "", "markersize": 7, "mew": 2}
    panel.axes.plot(places, [height] * len(places), transform=transform, clip_on=False, **look)
    starts = [panel.place(x, 0)[0] + 8 for x in places]
    for start, room, point in zip(starts, _find_rooms(starts), points, strict=True):
        texts = (f"{point.diverged} of {point.ended}", f"{point.diverged}/{point.ended}", "")
        text = next(text for text in texts if text_width([text]) <= room or not text)
        sheet.write([text], start, height, color=colour, fontsize=11)


def _find_rooms(starts: Sequence[float]) -> list[float]:
    """Returns the room between each start and the next cross, in a wide font."""
    return [next_one - start - 12 for start, next_one in pairwise([*starts, inf])]


def _find_end(panel: Panel, line: Line, sensitivity: Sensitivity) -> tuple[float, float] | None:
    """Returns the place of the line's last mean, or None if it does not reach the last value."""
    last, end = line.points[-1], sensitivity.values[-1]
    if not isfinite(last.mean) or not (line.is_level or last.at == end):
        return None
    x, y = panel.place(end, last.mean)
    return (panel.right if line.is_level else x), y
