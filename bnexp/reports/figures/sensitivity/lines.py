"""What a figure of sensitivity shows: the metric over a swept number, a line per variant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

from bnexp.analysis.metrics import as_number, better_direction, is_accuracy, natural_range
from bnexp.analysis.results import CellResult, Comparison
from bnexp.config.sweep.names import short_names
from bnexp.reports.figures.legend import Name
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    pad_limits,
)
from bnexp.reports.figures.style import (
    LEAST_FOR_BAND,
    MOST_WITH_BANDS,
    Style,
    assign_styles,
    find_dashes,
)
from bnexp.reports.words.cell_names import name_settings
from bnexp.reports.words.formatting import (
    MetricFormat,
    find_interval,
    metric_format,
)
from bnexp.runs.record import Scalar
from bnexp.wording import write_value

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

DOTS: LineStyleType = (0, (1, 1.4))

_SMALLEST, _LARGEST = 1e-100, 1e100
"""Between which an axis can be drawn, 0 apart: beyond, logarithms and their powers overflow."""

_NEAR_CHANCE = 1 / 9
"""Share of the way from chance to all right, below which an accuracy is drawn with chance: 20 % of
ten classes."""


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

    def write_place(self, value: float) -> str:
        """Returns a place of the axis as text."""
        if value in self.extras.words:
            return self.extras.words[value]
        is_short = float(value).is_integer() and abs(value) < 1e6
        return f"{value:,.0f}" if is_short else f"{value:g}"


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
    if extras.reference is None and extras.bounds is None:
        extras = replace(extras, reference=_find_chance(comparison, values, shown))
    if extras.reference:
        values.append(extras.reference[0] * shown.scale)
    low, high = (end * shown.scale for end in extras.bounds or natural_range(comparison.metric))
    return Sensitivity(
        _name_axis(in_words(names[key]), [in_words(names[other]) for other in bound]),
        lines,
        shown,
        pad_limits(values, 0.06, (low, high)),
        extras,
    )


def _find_chance(
    comparison: Comparison, values: Sequence[float], shown: MetricFormat
) -> tuple[float, str] | None:
    """Returns the accuracy of a guess, if a value is near enough for it to be on the axis."""
    chance = comparison.chance
    if chance is None or not is_accuracy(comparison.metric):
        return None
    nearest = chance + _NEAR_CHANCE * (1 - chance)
    return (chance, "chance") if min(values) < nearest * shown.scale else None


def leave_out_lonely(comparison: Comparison, key: str) -> Comparison:
    """Returns the cells without those that stand alone on the axis, if there are lines enough.

    A point that no line joins says nothing of the axis, and covers others. With fewer than two
    lines all cells stay, so that they can be seen beside each other.
    """
    _, rest = _split_keys(comparison, key)
    groups = _group_cells(comparison, rest)
    placed = [[cell for cell in group if _find_number(cell, key) is not None] for group in groups]
    if sum(len(cells) > 1 for cells in placed) < 2:
        return comparison
    pairs = zip(placed, groups, strict=True)
    lonely = {cells[0].cell for cells, group in pairs if len(cells) == len(group) == 1}
    kept = tuple(cell for cell in comparison.cells if cell.cell not in lonely)
    return replace(comparison, cells=kept)


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


def in_words(name: str) -> str:
    """Returns the name of a key as it stands in a sentence: `learning rate`."""
    return name.replace("_", " ")


def _find_number(cell: CellResult, key: str) -> float | None:
    value = cell.settings.get(key)
    return None if isinstance(value, bool) else as_number(value)


def move_together(comparison: Comparison, one: str, other: str) -> bool:
    """Returns whether both keys have the same places, so that one axis shows both."""
    return _moves_with(comparison, one, other) and _moves_with(comparison, other, one)


def _moves_with(comparison: Comparison, other: str, key: str) -> bool:
    """Whether each value of the key comes with one number of the other key, and none without.

    A number that is the same for all values of the key does not move.
    """
    pairs = {(_find_number(cell, key), _find_number(cell, other)) for cell in comparison.cells}
    pairs = {pair for pair in pairs if pair[0] is not None}
    is_known = all(number is not None for _, number in pairs)
    moves = len({number for _, number in pairs}) > 1
    return is_known and moves and len({number for number, _ in pairs}) == len(pairs)


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
            whole = "" if label or not level else f"{in_words(names[key])} as on the axis"
            points = tuple(sorted(map(make, placed), key=lambda point: point.at))
            yield Line(Name(label or whole, "", style, dashes), points)
        for cell in level:
            value = _spell(_select(cell, [key]), names) if placed else ""
            name = ", ".join(filter(None, (label, value)))
            yield Line(Name(name, "", style, DOTS), (make(cell),))


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
