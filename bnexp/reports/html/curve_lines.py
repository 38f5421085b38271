"""The parts of one cell's learning curve as SVG: band, single seeds, crosses, mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import mean

from bnexp.analysis.results import CellResult
from bnexp.analysis.stats.intervals import t_interval
from bnexp.reports.figures.curves import LEAST_FOR_BAND, values_by_epoch
from bnexp.reports.html.marks import LINE_WIDTH, Mark
from bnexp.reports.html.markup import Markup, tag
from bnexp.reports.html.scale import Scale, area_path, line_path


@dataclass(frozen=True)
class Plane:
    """The two scales of a drawing; epochs run to the right, values upwards."""

    epochs: Scale
    values: Scale


def finite_points(cell: CellResult, scale: int) -> list[tuple[int, float]]:
    """Returns epoch and value of all runs, finished or diverged."""
    return [point for curve in cell.curves.values() for point in finite_values(curve, scale)]


def finite_values(curve: Iterable[float], scale: int) -> list[tuple[int, float]]:
    """Returns epoch and value wherever the value is finite."""
    return [(epoch, value * scale) for epoch, value in enumerate(curve, start=1) if isfinite(value)]


def draw_band(cell: CellResult, mark: Mark, plane: Plane, scale: int) -> Markup:
    """Returns the 95 % t interval of each epoch as an area, of a single epoch as a line."""
    bands = [band for values in values_by_epoch(cell) if (band := t_interval(values)) is not None]
    if not bands or cell.n < LEAST_FOR_BAND:
        return Markup()
    if len(bands) == 1:
        x = plane.epochs(1)
        ends = [(x, plane.values(bound * scale)) for bound in (bands[0].low, bands[0].high)]
        return tag("path", class_="whisker", d=line_path(ends), style=mark.paint)
    low, high = (
        [
            (plane.epochs(epoch), plane.values(getattr(band, side) * scale))
            for epoch, band in enumerate(bands, start=1)
        ]
        for side in ("low", "high")
    )
    return tag("path", class_="band", d=area_path(low, high), style=mark.paint)


def draw_seeds(cell: CellResult, mark: Mark, plane: Plane, scale: int) -> Markup:
    """Returns a thin line for each run, a dot for each run of one epoch."""
    lines = []
    for curve in cell.curves.values():
        points = [
            (plane.epochs(epoch), plane.values(value))
            for epoch, value in finite_values(curve, scale)
        ]
        if len(points) == 1:
            lines.append(tag("circle", cx=points[0][0], cy=points[0][1], r=2.6, class_="dot"))
        elif points:
            lines.append(tag("path", class_="seed", d=line_path(points)))
    return tag("g", *lines, style=mark.paint) if lines else Markup()


def draw_crosses(cell: CellResult, mark: Mark, plane: Plane, scale: int) -> Markup:
    """Returns a cross at each diverged run's last finite value, or at the frame above it."""
    ends = [
        points[-1]
        for seed, curve in cell.curves.items()
        if seed not in cell.values and (points := finite_values(curve, scale))
    ]
    crosses = (
        tag(
            "path",
            class_="cross",
            d="M-5-5L5 5M-5 5L5-5",
            transform=f"translate({plane.epochs(epoch):.2f} {plane.values.clamp(value):.2f})",
        )
        for epoch, value in ends
    )
    return tag("g", *crosses, style=mark.paint) if ends else Markup()


def draw_mean(cell: CellResult, mark: Mark, plane: Plane, scale: int) -> Markup:
    """Returns the mean of the finished runs as a line with the cell's markers."""
    points = [
        (plane.epochs(epoch), plane.values(mean(values) * scale))
        for epoch, values in enumerate(values_by_epoch(cell), start=1)
    ]
    if not points:
        return Markup()
    every = max(1, len(points) // 10)
    line = tag(
        "path",
        class_="mean",
        d=line_path(points),
        stroke_dasharray=mark.dashes,
        stroke_width=LINE_WIDTH,
    )
    return tag("g", line, *(mark.marker(x, y) for x, y in points[::every]), style=mark.paint)
