"""Draws differences as rows: mean, interval, single seeds, zero, and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bnexp.reports.html.frame import LINE_HEIGHT, chart, vertical_grid, write
from bnexp.reports.html.marks import CHARACTER, Mark, wrap
from bnexp.reports.html.markup import Markup, join, tag
from bnexp.reports.html.scale import Scale, line_path, padded, ticks

_LEAST_FOR_SCALE = 3
"""Seeds from which on an interval may set the scale; one of two seeds hides all others."""

_WIDE, _NARROW = 860.0, 390.0
_TOP = 34.0
_ROW = 52.0
_ROOM_FOR_WORD = 70.0
_LONGEST_ABOVE = 48
"""Characters of a line above a row of the narrow drawing."""


@dataclass(frozen=True)
class Effect:
    """One row: a difference with its interval and its seeds, in the unit that is shown."""

    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]
    n: int
    is_paired: bool
    label: str
    texts: tuple[str, ...]
    """What is written beside the row: the figures, then the verdict."""
    mark: Mark | None = None
    """How it is drawn; None for the colour of the text."""


@dataclass(frozen=True)
class EffectPlot:
    """All that a drawing shows; `margin` in the unit that is shown."""

    effects: tuple[Effect, ...]
    margin: float | None
    axis: str
    description: str
    direction: int = 0
    """1 where a higher value is better, -1 where a lower one is, 0 where nobody can say."""


def effect_scale(
    effects: Sequence[Effect], margin: float | None, start: float, stop: float
) -> Scale:
    """Returns a scale that holds zero, the margin, every mean and seed, and the intervals.

    An interval of fewer than three pairs may run beyond it where there are better ones.
    """
    sure = [row for row in effects if row.n >= _LEAST_FOR_SCALE] or effects
    values = [0.0, *(() if margin is None else (-margin, margin))]
    values += [value for row in effects for value in (row.mean, *row.seeds)]
    values += [bound for row in sure for bound in row.interval or ()]
    return Scale(*padded(values, 0.05), start, stop)


def draw_effects(plot: EffectPlot, *, is_wide: bool) -> Markup:
    """Returns the drawing: texts beside the rows where it is wide, above them else."""
    effects = plot.effects
    width = _WIDE if is_wide else _NARROW
    left, right = _margins(effects) if is_wide else (14.0, 14.0)
    scale = effect_scale(effects, plot.margin, left, width - right)
    heights = [_height(row, is_wide=is_wide) for row in effects]
    tops = list(accumulate(heights, initial=_TOP))
    bottom = tops[-1]
    rows = [
        _row(row, scale, top, height, is_wide=is_wide)
        for row, top, height in zip(effects, tops[:-1], heights, strict=True)
    ]
    columns = ticks(scale.low, scale.high, 7 if is_wide else 5)
    parts = (
        _margin_band(scale, plot.margin, bottom),
        vertical_grid(scale, columns, _TOP, bottom),
        tag("line", class_="zero", x1=scale(0), x2=scale(0), y1=_TOP - 26, y2=bottom + 5),
        *rows,
        _name_axis(plot, scale, bottom),
    )
    size = (width, bottom + 44)
    return chart(f"Effect: {plot.axis}", plot.description, size, *parts, kind="effects")


def has_arrows(plot: EffectPlot) -> bool:
    """Tells whether an interval runs beyond the scale."""
    scale = effect_scale(plot.effects, plot.margin, 0, 1)
    bounds = [bound for effect in plot.effects for bound in effect.interval or ()]
    return any(not scale.low <= bound <= scale.high for bound in bounds)


def _margins(effects: Sequence[Effect]) -> tuple[float, float]:
    left = max((len(line) for row in effects for line in wrap(row.label)), default=0)
    right = max((len(line) for row in effects for line in row.texts), default=0)
    return 20 + CHARACTER * left, 24 + CHARACTER * right


def _height(effect: Effect, *, is_wide: bool) -> float:
    if is_wide:
        return max(_ROW, LINE_HEIGHT * len(wrap(effect.label)) + 10)
    above = _lines_above(effect)
    return _ROW + (LINE_HEIGHT * len(above) + 6 if above else 0)


def _lines_above(effect: Effect) -> tuple[str, ...]:
    if not effect.label:
        return ()
    return (*wrap(effect.label, _LONGEST_ABOVE), " · ".join(effect.texts))


def _row(effect: Effect, scale: Scale, top: float, height: float, *, is_wide: bool) -> Markup:
    middle = top + (height / 2 if is_wide else height - _ROW / 2) - (4 if effect.seeds else 0)
    beside = _beside(effect, scale, middle) if is_wide else _above(effect, top)
    drawn = _interval(effect, scale, middle) + _seeds(effect, scale, middle + 14)
    paint = effect.mark.paint if effect.mark else "--cell:var(--ink)"
    return tag("g", drawn, beside, style=paint)


def _beside(effect: Effect, scale: Scale, middle: float) -> Markup:
    return join(
        (
            write(wrap(effect.label), scale.start - 14, middle, text_anchor="end"),
            write(effect.texts[:1], scale.stop + 18, middle - 8),
            write(effect.texts[1:], scale.stop + 18, middle + 8, class_="muted"),
        )
    )


def _above(effect: Effect, top: float) -> Markup:
    if not effect.label:
        return Markup()
    *names, figures = _lines_above(effect)
    first = top + 8
    middle = first + LINE_HEIGHT * (len(names) - 1) / 2
    last = first + LINE_HEIGHT * len(names)
    return join(
        (
            tag("rect", class_="cover", x=0, y=top - 6, width=_NARROW, height=last - top + 14),
            write(names, 0, middle, class_="strong"),
            write([figures], 0, last, class_="muted"),
        )
    )


def _interval(effect: Effect, scale: Scale, y: float) -> Markup:
    x = scale(effect.mean)
    if effect.mark is None:
        centre = tag("circle", cx=x, cy=y, r=5.5, class_="marker")
    else:
        centre = effect.mark.marker(x, y, 1.25)
    if effect.interval is None:
        return centre
    low, high = effect.interval
    ends = [(scale.clamp(low), y), (scale.clamp(high), y)]
    line = tag("path", class_="interval", d=line_path(ends))
    return line + _end(low, scale, y, -1) + _end(high, scale, y, 1) + centre


def _end(bound: float, scale: Scale, y: float, side: int) -> Markup:
    """Returns the bar that ends an interval, or an arrow where it runs beyond the scale."""
    x = scale.clamp(bound)
    if x == scale(bound):
        return tag("path", class_="interval", d=line_path([(x, y - 6), (x, y + 6)]))
    points = [(x - 7 * side, y - 6), (x, y), (x - 7 * side, y + 6)]
    return tag("path", class_="interval", d=line_path(points))


def _seeds(effect: Effect, scale: Scale, y: float) -> Markup:
    kind = "dot" if effect.is_paired else "dot hollow"
    return join(tag("circle", class_=kind, cx=scale(value), cy=y, r=3) for value in effect.seeds)


def _margin_band(scale: Scale, margin: float | None, bottom: float) -> Markup:
    if margin is None:
        return Markup()
    left, right = scale(-margin), scale(margin)
    return tag(
        "rect", class_="margin", x=left, y=_TOP - 8, width=right - left, height=bottom - _TOP + 8
    )


def _name_axis(plot: EffectPlot, scale: Scale, bottom: float) -> Markup:
    middle, zero = (scale.start + scale.stop) / 2, scale(0)
    lines = [write([plot.axis], middle, bottom + 34, class_="name", text_anchor="middle")]
    below, above = ("← worse", "better →") if plot.direction > 0 else ("← better", "worse →")
    if plot.direction and zero - scale.start > _ROOM_FOR_WORD:
        lines.append(write([below], zero - 9, _TOP - 20, class_="muted", text_anchor="end"))
    if plot.direction and scale.stop - zero > _ROOM_FOR_WORD:
        lines.append(write([above], zero + 9, _TOP - 20, class_="muted"))
    return join(lines)
