"""Learning curves as SVG: means with 95 % bands, single seeds, and the names beside the lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import mean

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.figures.curves import LEAST_FOR_BAND, finished_curves, values_by_epoch
from bnexp.reports.html.curve_lines import (
    Plane,
    draw_band,
    draw_crosses,
    draw_mean,
    draw_seeds,
    finite_points,
)
from bnexp.reports.html.frame import (
    LINE_HEIGHT,
    chart,
    fold,
    horizontal_grid,
    vertical_grid,
    write,
)
from bnexp.reports.html.marks import CHARACTER, Mark, cell_marks
from bnexp.reports.html.markup import Markup, join, tag
from bnexp.reports.html.scale import Scale, line_path, padded, spread, tick_labels, ticks
from bnexp.reports.words.formatting import MetricFormat, metric_format
from bnexp.wording import count

_FIRST_EPOCH = 1.0
MOST_WITH_BANDS = 8
"""Cells beyond which bands and single seeds would only hide the means."""

_WIDE, _NARROW = 860.0, 390.0
_TOP, _BOTTOM = 34.0, 46.0


@dataclass(frozen=True)
class CurvesView:
    """The comparison with all that one drawing of it needs."""

    comparison: Comparison
    marks: dict[str, Mark]
    write: MetricFormat
    is_crowded: bool

    @property
    def axis_name(self) -> str:
        """The metric with its unit."""
        unit = self.write.unit
        return f"{self.comparison.metric} ({unit})" if unit else self.comparison.metric


def render_curves(comparison: Comparison) -> Markup | None:
    """Returns the figure with its legend and caption, or None where no run has a curve."""
    drawn = [cell for cell in comparison.cells if any(finite_points(cell, 1))]
    if not drawn:
        return None
    view = CurvesView(
        comparison,
        cell_marks(comparison),
        metric_format(comparison),
        len(comparison.cells) > MOST_WITH_BANDS,
    )
    return tag(
        "figure",
        fold(_draw(view, _WIDE, is_wide=True), _draw(view, _NARROW, is_wide=False)),
        _legend(view),
        tag("figcaption", _caption(view)),
    )


def curve_plane(view: CurvesView, frame: tuple[float, float, float, float]) -> Plane:
    """Returns the scales within left, top, right and bottom of the frame.

    The values reach from the lowest to the highest single seed, or mean where only means
    are drawn; wider bands and diverged runs are cut off there, so that they don't flatten
    all other lines.
    """
    left, top, right, bottom = frame
    cells, scale = view.comparison.cells, view.write.scale
    finished = [value * scale for cell in cells for value in _drawn(cell, view.is_crowded)]
    values = finished or [value for cell in cells for _, value in finite_points(cell, scale)]
    last = _epochs(view)
    epochs = (_FIRST_EPOCH, float(last)) if last > 1 else (0.5, 1.5)
    return Plane(Scale(*epochs, left, right), Scale(*padded(values), bottom, top))


def _drawn(cell: CellResult, is_crowded: bool) -> list[float]:
    """Returns the finite values that are drawn of the finished runs."""
    if is_crowded:
        return [mean(values) for values in values_by_epoch(cell)]
    return [value for curve in finished_curves(cell) for value in curve if isfinite(value)]


def _draw(view: CurvesView, width: float, *, is_wide: bool) -> Markup:
    cells = view.comparison.cells
    labels = {cell.cell: _direct_label(cell, view) for cell in cells if finished_curves(cell)}
    heights = [LINE_HEIGHT * len(lines) + 4 for lines in labels.values()] if is_wide else []
    height = max(400.0 if is_wide else 300.0, sum(heights) + _TOP + _BOTTOM)
    beside = 40 + CHARACTER * max(map(_longest, labels.values()), default=0) if is_wide else 14.0
    probe = curve_plane(view, (0, _TOP, 1, height - _BOTTOM))
    rows = ticks(probe.values.low, probe.values.high, 7 if is_wide else 6)
    left = 18 + CHARACTER * _longest(tick_labels(rows))
    frame = (left, _TOP, width - beside, height - _BOTTOM)
    plane = curve_plane(view, frame)
    parts = [
        _axes(view, plane, frame, rows, is_wide=is_wide),
        _lines(view, plane, frame),
        _beside(view, plane, frame, labels) if is_wide else Markup(),
    ]
    name = f"Learning curves of {view.comparison.metric}"
    return chart(name, _describe(view), (width, height), *parts, kind="curves")


def _axes(
    view: CurvesView,
    plane: Plane,
    frame: tuple[float, float, float, float],
    rows: Sequence[float],
    *,
    is_wide: bool,
) -> Markup:
    left, _, right, bottom = frame
    columns = ticks(plane.epochs.low, plane.epochs.high, 11 if is_wide else 6, is_whole=True)
    if plane.epochs.low == _FIRST_EPOCH and 1.0 not in columns and columns[:1] != (2.0,):
        columns = (1.0, *columns)
    return join(
        (
            horizontal_grid(plane.values, rows, left, right),
            vertical_grid(plane.epochs, columns, bottom, bottom + 5),
            tag("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom),
            tag("text", view.axis_name, x=0, y=14, class_="name"),
            tag("text", "epoch", x=right, y=bottom + 38, class_="name", text_anchor="end"),
            _target(view, plane, frame),
        )
    )


def _target(view: CurvesView, plane: Plane, frame: tuple[float, float, float, float]) -> Markup:
    target = view.comparison.target
    if target is None or not plane.values.low < target * view.write.scale < plane.values.high:
        return Markup()
    left, _, right, _ = frame
    y = plane.values(target * view.write.scale)
    label = f"target {view.write.value(target)}"
    above = -6 if better_direction(view.comparison.metric) >= 0 else 16  # where no curve begins
    return tag("line", class_="target", x1=left, x2=right, y1=y, y2=y) + tag(
        "text", label, x=left + 10, y=y + above, class_="muted halo"
    )


def _lines(view: CurvesView, plane: Plane, frame: tuple[float, float, float, float]) -> Markup:
    """Draws inside the frame: an inner SVG cuts off what lies beyond it."""
    left, top, right, bottom = frame
    cells = [
        (cell, view.marks[cell.cell], own)
        for cell, own in zip(view.comparison.cells, _planes(view, plane), strict=True)
    ]
    scale = view.write.scale
    clipped = []
    if not view.is_crowded:
        clipped += [draw_band(cell, mark, own, scale) for cell, mark, own in cells]
        clipped += [draw_seeds(cell, mark, own, scale) for cell, mark, own in cells]
    inner = tag(
        "svg",
        *clipped,
        x=left,
        y=top,
        width=right - left,
        height=bottom - top,
        viewBox=f"{left:.2f} {top:.2f} {right - left:.2f} {bottom - top:.2f}",
    )
    crosses = (
        []
        if view.is_crowded
        else [draw_crosses(cell, mark, own, scale) for cell, mark, own in cells]
    )
    return inner + join(
        [*crosses, *(draw_mean(cell, mark, own, scale) for cell, mark, own in cells)]
    )


def _planes(view: CurvesView, plane: Plane) -> list[Plane]:
    """Returns the plane for each cell; those of runs of one epoch stand side by side."""
    number = len(view.comparison.cells)
    if plane.epochs.low == _FIRST_EPOCH:
        return [plane] * number
    shifts = [((place + 0.5) / number - 0.5) * 0.8 for place in range(number)]
    width = plane.epochs.stop - plane.epochs.start
    return [
        replace(
            plane,
            epochs=replace(
                plane.epochs,
                start=plane.epochs.start + shift * width,
                stop=plane.epochs.stop + shift * width,
            ),
        )
        for shift in shifts
    ]


def _beside(
    view: CurvesView,
    plane: Plane,
    frame: tuple[float, float, float, float],
    labels: dict[str, tuple[str, ...]],
) -> Markup:
    """Writes each cell's name to the right of its line's end, moved apart where they'd touch."""
    _, top, right, bottom = frame
    ends = []
    for cell in view.comparison.cells:
        if cell.cell in labels:
            means = [mean(values) * view.write.scale for values in values_by_epoch(cell)]
            is_single = plane.epochs.low != _FIRST_EPOCH
            x = right if is_single else plane.epochs(max(1, len(means)))
            ends.append((cell.cell, x, plane.values.clamp(means[-1]) if means else bottom))
    heights = [LINE_HEIGHT * len(labels[name]) + 4 for name, _, _ in ends]
    places = spread([y for _, _, y in ends], heights, top - 10, bottom + 10)
    return join(
        tag(
            "g",
            tag("path", class_="leader", d=line_path([(x + 7, y), (right + 14, place)])),
            view.marks[name].marker(right + 22, place, 0.8),
            write(labels[name], right + 32, place),
            style=view.marks[name].paint,
        )
        for (name, x, y), place in zip(ends, places, strict=True)
    )


def _direct_label(cell: CellResult, view: CurvesView) -> tuple[str, ...]:
    lines = view.marks[cell.cell].lines()
    extra = _counts(cell, view)
    return (*lines, extra) if extra else lines


def _epochs(view: CurvesView) -> int:
    return max(len(curve) for cell in view.comparison.cells for curve in cell.curves.values())


def _counts(cell: CellResult, view: CurvesView) -> str:
    """Returns the cell's seeds where the caption cannot say them for all, and what diverged."""
    is_same = len({other.n for other in view.comparison.cells}) == 1
    parts = [] if is_same else [f"n = {cell.n}"]
    return ", ".join([*parts, *([f"{cell.diverged} diverged"] if cell.diverged else [])])


def _legend(view: CurvesView) -> Markup:
    items = []
    for cell in view.comparison.cells:
        mark = view.marks[cell.cell]
        extra = _counts(cell, view)
        name = f"{mark.spaced} ({extra})" if extra else mark.spaced
        items.append(tag("li", mark.swatch(), tag("span", name)))
    is_named = all(finished_curves(cell) for cell in view.comparison.cells)
    return tag("ul", *items, class_="legend narrow-only" if is_named else "legend")


def _caption(view: CurvesView) -> str:
    sizes = {cell.n for cell in view.comparison.cells}
    seeds = count(sizes.copy().pop(), "seed") if len(sizes) == 1 else "n seeds"
    line, band = ("Line", "Band") if _epochs(view) > 1 else ("Large", "Bar")
    parts = [f"{line}: mean over {seeds} after each epoch."] if max(sizes) else []
    if not view.is_crowded:
        if max(sizes) >= LEAST_FOR_BAND:
            parts.append(f"{band}: its 95 % t interval, from {LEAST_FOR_BAND} seeds on.")
        parts.append(f"{'Thin' if line == 'Line' else 'Small'}: single seeds.")
        if any(cell.diverged for cell in view.comparison.cells):
            parts.append("×: last finite value of a diverged run.")
    return " ".join(parts)


def _describe(view: CurvesView) -> str:
    """Returns the last mean of each cell, for those who cannot see the lines."""
    write = view.write
    return "; ".join(
        f"{view.marks[cell.cell].label}: "
        + ("no finished run" if cell.mean is None else f"{write.value(cell.mean)} at the end")
        for cell in view.comparison.cells
    )


def _longest(lines: Iterable[str]) -> int:
    return max(map(len, lines), default=0)
