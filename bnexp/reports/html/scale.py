"""From values to places on a chart: linear scales, round ticks, and paths through points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from bnexp.reports.html.markup import number

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Maps the values `low` to `high` evenly onto the places `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Returns the place of a value, also of one beyond the ends."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def invert(self, place: float) -> float:
        """Returns the value at a place."""
        share = (place - self.start) / (self.stop - self.start)
        return self.low + share * (self.high - self.low)

    def clamp(self, value: float) -> float:
        """Returns the place of the nearest value that the scale shows."""
        return self(min(max(value, self.low), self.high))


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Returns the least and greatest value, moved apart so that nothing touches the frame."""
    found = list(values)
    low, high = min(found), max(found)
    room = (high - low) * share or abs(high) * 0.1 or 1.0
    return low - room, high + room


def ticks(low: float, high: float, most: int, is_whole: bool = False) -> tuple[float, ...]:
    """Returns at most `most` multiples of 1, 2 or 5 times a power of ten from `low` to `high`.

    With `is_whole` they are whole numbers. There may be none where the range holds none.
    """
    step = _step((high - low) / max(1, most), is_whole)
    found = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    if len(found) > most:
        step = _step(step * 1.5, is_whole)
        found = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    return tuple(index * step for index in found)


def tick_labels(values: Sequence[float]) -> tuple[str, ...]:
    """Returns the ticks as text, all with as many decimals as their step needs."""
    if not values:
        return ()
    largest = max(abs(value) for value in values)
    step = values[1] - values[0] if len(values) > 1 else largest or 1.0
    if largest >= 1e7 or step < 1e-6:
        return tuple(f"{value:.4g}" for value in values)
    decimals = max(0, -floor(log10(step * 1.000001)))
    return tuple(f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in values)


def line_path(points: Iterable[Point]) -> str:
    """Returns the `d` of a path through the points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def area_path(lower: Sequence[Point], upper: Sequence[Point]) -> str:
    """Returns the `d` of the area between two lines."""
    return f"{line_path([*lower, *reversed(upper)])}Z"


def spread(
    places: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Returns places near the given ones, in their order, so that labels don't overlap.

    Each label is `heights[i]` high and centred at its place; all lie between `low` and
    `high` as far as they fit there.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    free = low
    tops = {}
    for index in order:
        tops[index] = max(free, places[index] - heights[index] / 2)
        free = tops[index] + heights[index]
    limit = high
    for index in reversed(order):
        tops[index] = max(min(tops[index], limit - heights[index]), 0.0)
        limit = tops[index]
    return [tops[index] + heights[index] / 2 for index in range(len(places))]


def _step(least: float, is_whole: bool) -> float:
    if is_whole:
        least = max(least, 1.0)
    power = 10.0 ** floor(log10(least))
    return next(
        factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * 0.999999
    )
