"""A quantity of one layer or of the whole network: a line or a range per cell, over the steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import ceil, inf, isfinite, sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.aggregates import Curve, aggregate
from bnexp.reports.figures.fitting import say_cells
from bnexp.reports.figures.inside.measured import (
    Measured,
    has_diverged,
    say_missing,
    say_seeds,
)
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
    space_label,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import (
    LEAST_FOR_BAND,
    LEAST_FOR_LOG,
    LINE_WIDTH,
    MUTED,
    Style,
    cell_styles,
    describe_bands,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.headings import describe_selection
from bnexp.runs.measured.diagnostic_tags import WHOLE
from bnexp.runs.record import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WITH_SEEDS = 3
"""Lines beyond which single seeds would only hide the means."""
_MOST_POINTS = 200
"""Points of a line; each of more is a mean over several."""

_ROOM = Room(height=260.0, narrow_height=210.0, top=34.0, bottom=46.0)
"""Of the axes, unless the names beside them need more."""
_LONGEST_WIDE, _LONGEST_NARROW = 90, 40
"""Characters of a line above the axes."""


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
    is_log: bool
    axis: str = "step"
    """What is counted."""
    bounds: tuple[float, float] = (-inf, inf)
    """Between which values lie."""
    reference: tuple[float, str] | None = None
    """A value that all are compared with, and what it is called."""
    compared: tuple[float, float] | None = None
    """The first and the last step of those that a claim compares, if not the end."""

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis of values."""
        values = [
            value
            for line in self.lines
            for curve in (*line.curve, *(values for _, values in line.seeds))
            for value in curve
            if isfinite(value)
        ]
        values += [] if self.reference is None else [self.reference[0]]
        if not self.is_log:
            # A band does not make figures negative that never are.
            is_positive = all(value >= 0 for line in self.lines for value in line.curve.mean)
            least, most = self.bounds
            return pad_limits(values, 0.06, (0.0 if is_positive else least, most))
        low, high = min(values), max(values)
        room = (high / low) ** 0.06 if high > low else 2.0
        return low / room, high * room

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last step."""
        steps = [
            step
            for line in self.lines
            for steps in (line.steps, *(steps for steps, _ in line.seeds))
            for step in steps
        ]
        return min(steps), max(steps)


def build_lines(comparison: Comparison, measured: Measured, layer: str) -> Chart | None:
    """Returns the figure of one layer, or of the whole network, or None without finite values."""
    found = [
        (cell, [*seeds.values()])
        for cell in measured.cells
        if (seeds := measured.by_layer[cell.cell].get(layer))
    ]
    values = _find_finite(series for _, seeds in found for series in seeds)
    if not values:
        return None
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    is_log = is_log_scale(values)
    lines = tuple(
        build_line(
            name_cell(labels[cell.cell], styles[cell.cell], cell),
            seeds,
            is_log=is_log,
            has_diverged=has_diverged(cell),
            is_crowded=len(found) > MOST_WITH_SEEDS,
        )
        for cell, seeds in found
    )
    is_alone = measured.layers == (WHOLE,)
    place = "" if is_alone else " of the whole network" if layer == WHOLE else f" of {layer}"
    name = measured.words + place
    shown = Lines(name, lines, is_log)
    own = replace(measured, layers=(layer,))
    return Chart(
        name[:1].upper() + name[1:],
        f"{comparison.experiment}: {name} over the steps",
        _caption(shown, {len(seeds) for _, seeds in found}, own, labels),
        "; ".join(map(describe_line, lines)),
        lambda is_wide: draw_lines(shown, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def build_ranges(comparison: Comparison, lowest: Measured, highest: Measured) -> Chart | None:
    """Returns the figure of a range that has a mean lowest and a mean highest end at each step.

    Its name is that of `lowest`. It is None if no cell has both ends at the same steps.
    """
    found = [
        (cell, [*low[WHOLE].values()], [*high[WHOLE].values()])
        for cell in lowest.cells
        for low, high in [(lowest.by_layer[cell.cell], highest.by_layer[cell.cell])]
        if WHOLE in low and WHOLE in high
    ]
    values = _find_finite(series for _, low, high in found for series in (*low, *high))
    if not values:
        return None
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    is_log = is_log_scale(values)
    lines = []
    for cell, *ends in found:
        name, diverged = name_cell(labels[cell.cell], styles[cell.cell], cell), has_diverged(cell)
        low, high = (
            build_line(name, seeds, is_log=is_log, has_diverged=diverged, is_crowded=True)
            for seeds in ends
        )
        # Both ends are measured in the same pass, so at the same steps.
        if low.curve.mean and low.steps == high.steps:
            lines.append(_join(low, high, is_log=is_log))
    if not lines:
        return None
    seeds = say_seeds({len(low) for _, low, _ in found})
    shown = Lines(lowest.words, tuple(lines), is_log)
    mean, axis = ("geometric means", ", on a logarithmic axis") if is_log else ("means", "")
    parts = [f"Band: from the lowest to the highest value of a step, {mean} over {seeds}{axis}."]
    parts += [
        "Line: the middle between them.",
        say_missing(lowest, labels),
        say_cells(lowest.left_out),
    ]
    return Chart(
        lowest.words.capitalize(),
        f"{comparison.experiment}: range of the {lowest.words} over the steps",
        " ".join(filter(None, parts)),
        "; ".join(map(describe_line, lines)),
        lambda is_wide: draw_lines(shown, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def _join(low: Line, high: Line, *, is_log: bool) -> Line:
    """Returns the band between two ends, with a line in the middle."""
    ends = low.curve.mean, high.curve.mean
    middle = [
        sqrt(bottom * top) if is_log else (bottom + top) / 2
        for bottom, top in zip(*ends, strict=True)
    ]
    return replace(low, curve=Curve(middle, *ends), seeds=())


def _find_finite(every: Iterable[Series]) -> list[float]:
    return [value for series in every for value in series.values if isfinite(value)]


def is_log_scale(values: Sequence[float]) -> bool:
    """Returns whether the values call for a logarithmic axis: positive and far apart."""
    return min(values) > 0 and max(values) >= LEAST_FOR_LOG * min(values)


def name_cell(label: str, style: Style, cell: CellResult) -> Name:
    """Returns a cell's name, with a note if its runs diverged."""
    return Name(label, "diverged" if has_diverged(cell) else "", style)


def build_line(
    name: Name,
    seeds: Sequence[Series],
    *,
    is_log: bool,
    has_diverged: bool,
    is_crowded: bool,
    bounds: tuple[float, float] = (-inf, inf),
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
    curve = aggregate([[one[place] for place in whole] for one in values], bounds)
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


def _caption(
    shown: Lines, sizes: Collection[int], measured: Measured, labels: Mapping[str, str]
) -> str:
    parts = (describe_reading(shown, sizes), say_missing(measured, labels))
    return " ".join(filter(None, (*parts, say_cells(measured.left_out))))


def describe_reading(shown: Lines, sizes: Collection[int]) -> str:
    """Returns how to read lines of cells with so many seeds."""
    lines = shown.lines
    mean, axis = ("geometric mean", ", on a logarithmic axis") if shown.is_log else ("mean", "")
    parts = {
        f"Line: {mean} over {say_seeds(sizes)}{axis}.": True,
        describe_bands("Band", sizes): max(sizes) >= LEAST_FOR_BAND,
        "Thin: single seeds.": any(line.seeds for line in lines) and max(sizes) > 1,
        "×: the runs diverged.": any(line.has_diverged for line in lines),
        f"{shown.axis.capitalize()}s without a finite value in every seed are left out.": any(
            line.has_gaps for line in lines
        ),
    }
    return " ".join(text for text, is_said in parts.items() if is_said)


def describe_line(line: Line) -> str:
    """Returns where a line begins and ends."""
    label = space_label(line.name.label)
    if not line.curve.mean:
        return f"{label}: no mean"
    return f"{label}: {line.curve.mean[0]:.3g} at first, {line.curve.mean[-1]:.3g} at the end"


def draw_lines(shown: Lines, *, is_wide: bool) -> Sheet:
    """Returns the drawing, the names of the lines beside it if it is wide, else below it."""
    names = [line.name for line in shown.lines]
    ticks = round_ticks(*shown.limits, 6 if is_wide else 5, is_log=shown.is_log)
    left = 18 + text_width(format_ticks(ticks, is_log=shown.is_log))
    words = wrap_label(shown.quantity, _LONGEST_WIDE if is_wide else _LONGEST_NARROW)
    more = LINE_HEIGHT * (len(words) - 1)
    room = _ROOM._replace(top=_ROOM.top + more)
    panel = add_named_panel(room, left, names, is_wide=is_wide)
    panel.sheet.write(words, left - 8, panel.sheet.height - 12 - more / 2, color=MUTED)
    _draw_axes(panel, shown, ticks)
    for line in shown.lines:
        _draw_line(panel.axes, line)
    write_names(panel, names, [_find_end(panel, line, shown) for line in shown.lines])
    return panel.sheet


def _draw_axes(panel: Panel, shown: Lines, ticks: Sequence[float]) -> None:
    axes = panel.axes
    if shown.is_log:
        axes.set_yscale("log")
    axes.set_ylim(shown.limits)
    panel.set_ticks("y", ticks, is_log=shown.is_log)
    axes.yaxis.set_ticks([], minor=True)
    first, last = shown.span
    axes.set_xlim(*((first, last) if last > first else (first - 1, first + 1)))
    panel.set_ticks("x", round_ticks(first, last, 6 if panel.sheet.is_wide else 5, is_whole=True))
    axes.grid(axis="y")
    if shown.reference:
        draw_reference(panel, *shown.reference)
    if shown.compared:
        _draw_compared(panel, *shown.compared)
    panel.sheet.write([shown.axis], panel.right, panel.bottom - 34, color=MUTED, ha="right")


def _draw_compared(panel: Panel, first: float, last: float) -> None:
    """Draws the steps that a claim compares as a grey band, a single one as a dashed line."""
    if last > first:
        panel.axes.axvspan(first, last, color=MUTED, alpha=0.12, lw=0, zorder=0)
    else:
        panel.axes.axvline(first, color=MUTED, lw=1.4, linestyle=(0, (4, 3)), zorder=1)


def _draw_line(axes: Axes, line: Line) -> None:
    colour, (mean, low, high) = line.name.style.colour, line.curve
    at = line.steps
    if low:
        axes.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0)
    thin: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.45}
    for steps, values in line.seeds:
        axes.plot(steps, values, **thin)
    look: dict[str, Any] = {"linewidth": LINE_WIDTH, "linestyle": line.name.line}
    axes.plot(at, mean, color=colour, **look, zorder=3)
    every = max(1, len(at) // 8)
    axes.plot(at[::every], mean[::every], **marker(line.name.style), zorder=3.1, clip_on=False)
    if line.has_diverged and at:
        look = {"color": colour, "marker": "x", "markersize": 9, "mew": 2.2}
        axes.plot(at[-1:], mean[-1:], ls="", **look, zorder=3.2, clip_on=False)


def _find_end(panel: Panel, line: Line, shown: Lines) -> tuple[float, float] | None:
    """Returns where the line ends, or None if that is before the others do."""
    mean, (_, last) = line.curve.mean, shown.span
    if not mean or line.steps[-1] < last:
        return None
    return panel.place(last, mean[-1])
