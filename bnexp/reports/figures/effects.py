"""Effects as rows: a mean difference, its interval and its seeds, beside zero and the margin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp, log
from statistics import fmean
from typing import Any

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import ClaimTest, Comparison
from bnexp.analysis.stats.intervals import DifferenceEstimate, compare_seeds
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Chart,
    Panel,
    Sheet,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    text_width,
    wrap_label,
    wrap_words,
)
from bnexp.reports.figures.style import (
    INK,
    INKED,
    LEAST_FOR_LOG,
    LINE_WIDTH,
    MUTED,
    PAPER,
    Style,
    cell_styles,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import (
    MetricFormat,
    find_interval,
    format_difference,
    metric_format,
    with_unit,
    write_factor,
)
from bnexp.reports.words.headings import describe_selection
from bnexp.reports.words.notes import ALONE
from bnexp.wording import count

_LEAST_FOR_SCALE = 3
"""Seeds that an interval needs to set the scale; one of two seeds hides all others."""

_TOP, _BOTTOM = 34.0, 44.0
_ROW = 52.0
_SEEDS_BELOW = 14.0
_ROOM_FOR_WORD = 70.0
_LONGEST_ABOVE = 48
"""Characters of a line above a row of the narrow drawing."""
_BAR = 22.0
"""The height of a ratio's bar."""

LOGARITHMS = MetricFormat("logarithm", 3)
"""How the logarithms of ratios are shown."""
_ENDS = {1: ("← worse", "better →"), -1: ("← better", "worse →"), 0: ("", "")}
"""What is said of both sides of zero, by whether a higher value is better."""


@dataclass(frozen=True)
class Effect:
    """One row: a difference with its interval and its seeds, in the unit that is shown."""

    mean: float
    interval: Sequence[float]
    """Its ends; empty if there is none."""
    seeds: Sequence[float]
    n: int
    is_paired: bool
    label: str = ""
    texts: tuple[str, ...] = ()
    """What is written beside the row: the figures, then the verdict."""
    style: Style = INKED


@dataclass(frozen=True)
class Effects:
    """All that a drawing shows; `margin` in the unit that is shown."""

    rows: tuple[Effect, ...]
    margin: float | None
    axis_name: str
    ends: tuple[str, str] = ("", "")
    """What stands at the top to the left and to the right of zero."""
    is_ratio: bool = False
    """Whether the values are logarithms of ratios, drawn as bars from 1."""
    has_zero: bool = True
    """Whether the values are differences, seen from 0."""

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis: it holds zero, the margin, every mean, seed and interval.

        An interval of fewer than three pairs may run beyond it if there are better ones.
        """
        sure = [row for row in self.rows if row.n >= _LEAST_FOR_SCALE] or self.rows
        values = [0.0] if self.has_zero else []
        values += [] if self.margin is None else [-self.margin, self.margin]
        values += [value for row in self.rows for value in (row.mean, *row.seeds)]
        values += [bound for row in sure for bound in row.interval]
        return pad_limits(values, 0.05)

    @property
    def has_arrows(self) -> bool:
        """Whether an interval runs beyond the axis."""
        low, high = self.limits
        bounds = [bound for row in self.rows for bound in row.interval]
        return any(not low <= bound <= high for bound in bounds)


def build_effects(comparison: Comparison) -> Chart | None:
    """Returns the figure of each cell's difference to the baseline, or None without any.

    Seeds that don't pair are drawn as their value minus the baseline's mean, hollow.
    """
    rows = tuple(_build_rows(comparison))
    if not rows:
        return None
    shown, margin = metric_format(comparison), effect_margin(comparison)
    effects = Effects(
        rows,
        None if margin is None else margin * shown.scale,
        with_unit(f"{comparison.metric} minus the baseline's", shown.difference_unit),
        _ENDS[better_direction(comparison.metric)],
    )
    labels = shorten_cell_names(comparison)
    return Chart(
        "Effect against the baseline",
        f"{comparison.experiment}: {comparison.metric} against {labels[comparison.baseline]}",
        _caption(effects, None if margin is None else shown.margin(margin)),
        "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in rows),
        lambda is_wide: draw_effects(effects, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def build_ratios(comparison: Comparison) -> Chart | None:
    """Returns the figure of each cell's ratio to the baseline as bars from 1, or None without any.

    A ratio is the geometric mean over seeds, with a t interval of the logarithms; no ratio is
    drawn of values that are not all positive.
    """
    rows = tuple(_build_ratio_rows(comparison))
    if not rows:
        return None
    labels, metric = shorten_cell_names(comparison), comparison.metric
    baseline, ends = labels[comparison.baseline], _ENDS[better_direction(metric)]
    effects = Effects(rows, None, f"{metric}, as a multiple of {baseline}'s", ends, is_ratio=True)
    return Chart(
        "Ratio to the baseline",
        f"{comparison.experiment}: {metric}, relative to {baseline}",
        _caption(effects, None, "geometric mean of the ratios"),
        "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in rows),
        lambda is_wide: draw_effects(effects, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def _build_ratio_rows(comparison: Comparison) -> Iterator[Effect]:
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    baseline = comparison.baseline_cell
    for cell in comparison.cells:
        numbers = [*cell.values.values(), *baseline.values.values()]
        if cell is baseline or not (cell.values and baseline.values) or min(numbers) <= 0:
            continue
        own, base = (
            {seed: log(value) for seed, value in one.values.items()} for one in (cell, baseline)
        )
        found = compare_seeds(own, base)
        row, pairs = build_row(found, LOGARITHMS), count(found.n, "pair")
        if not row.is_paired:
            row = replace(row, seeds=[value - fmean(base.values()) for value in own.values()])
            pairs = f"{cell.n} and {baseline.n}"
        mean, *ends = (write_factor(exp(value)) for value in (row.mean, *row.interval))
        between = f" [{', '.join(ends)}]" if ends else ""
        yield replace(
            row,
            label=space_label(labels[cell.cell]),
            texts=(f"× {mean}{between}", f"n = {pairs}"),
            style=styles[cell.cell],
        )


def effect_margin(comparison: Comparison) -> float | None:
    """Returns the reader's margin, else the one that all claims on this very metric share."""
    if comparison.margin is not None:
        return comparison.margin
    margins = {
        claim.margin
        for claim in (result.claim for result in comparison.claims)
        if (claim.metric, claim.reduction, claim.as_) == (comparison.metric, None, "difference")
        and claim.margin > 0
    }
    return margins.pop() if len(margins) == 1 else None


def _build_rows(comparison: Comparison) -> Iterator[Effect]:
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    shown, baseline = metric_format(comparison), comparison.baseline_cell
    for cell in comparison.cells:
        difference = cell.difference
        if difference is None:
            continue
        row, pairs = build_row(difference, shown), count(difference.n, "pair")
        if not row.is_paired:
            values = [
                (value - (baseline.mean or 0.0)) * shown.scale for value in cell.values.values()
            ]
            row = replace(row, seeds=values, n=min(cell.n, baseline.n))
            pairs = f"{cell.n} and {baseline.n}"
        yield replace(
            row,
            label=space_label(labels[cell.cell]),
            texts=(format_difference(difference, shown), f"{difference.verdict}, n = {pairs}"),
            style=styles[cell.cell],
        )


def build_row(found: DifferenceEstimate | ClaimTest, shown: MetricFormat) -> Effect:
    """Returns a difference as a row without words."""
    return Effect(
        found.mean * shown.scale,
        [bound * shown.scale for bound in find_interval(found) or ()],
        [value * shown.scale for value in found.by_seed.values()],
        found.n,
        found.is_paired,
    )


def _caption(effects: Effects, margin: str | None, mean: str = "mean difference") -> str:
    has_interval = any(row.interval for row in effects.rows)
    is_hollow = any(not row.is_paired for row in effects.rows)
    parts = {
        f"Large marker: {mean}{', 95 % t interval' if has_interval else ''}.": True,
        f"Small: single seeds{' (hollow: not paired)' if is_hollow else ''}.": True,
        f"Shaded: within the margin of {margin}.": margin is not None,
        "Arrow: the interval continues.": effects.has_arrows,
        ALONE: len(effects.rows) > 1 and has_interval and not effects.is_ratio,
    }
    return " ".join(text for text, is_said in parts.items() if is_said)


def draw_effects(effects: Effects, *, is_wide: bool) -> Sheet:
    """Returns the drawing: texts beside the rows if it is wide, else above them."""
    rows = effects.rows
    left, right = 14.0, 14.0
    if is_wide:
        left = 20 + text_width(line for row in rows for line in wrap_label(row.label))
        right = 24 + text_width(line for row in rows for line in row.texts)
    heights = [_height(row, is_wide=is_wide) for row in rows]
    width = WIDE if is_wide else NARROW
    words = wrap_words(effects.axis_name, width - 8)
    bottom = _BOTTOM + LINE_HEIGHT * (len(words) - 1)
    sheet = Sheet(width, _TOP + sum(heights) + bottom)
    panel = sheet.add_panel(left, bottom, sheet.width - right, sheet.height - _TOP)
    _draw_axes(panel, effects, words)
    for row, height, below in zip(rows, heights, accumulate(heights), strict=True):
        _draw_row(panel, row, height, panel.top - below, is_ratio=effects.is_ratio)
    return sheet


def _height(row: Effect, *, is_wide: bool) -> float:
    if is_wide:
        return max(_ROW, LINE_HEIGHT * len(wrap_label(row.label)) + 10)
    above = _lines_above(row)
    return _ROW + (LINE_HEIGHT * len(above) + 6 if above else 0)


def _lines_above(row: Effect) -> tuple[str, ...]:
    names = wrap_label(row.label, _LONGEST_ABOVE) if row.label else ()
    return (*names, *filter(None, [" · ".join(row.texts)]))


def _draw_axes(panel: Panel, effects: Effects, words: Sequence[str]) -> None:
    axes = panel.axes
    axes.set_xlim(effects.limits)
    axes.set_ylim(panel.bottom, panel.top)
    most = 7 if panel.sheet.is_wide else 5
    if effects.is_ratio:
        ratios = _find_ratios(effects.limits, most)
        axes.set_xticks([log(ratio) for ratio in ratios], [f"×{ratio:g}" for ratio in ratios])
    else:
        panel.set_ticks("x", round_ticks(*effects.limits, most))
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="x")
    if effects.margin is not None:
        axes.axvspan(-effects.margin, effects.margin, color=MUTED, alpha=0.16, lw=0, zorder=0)
    zero, _ = panel.place(0, panel.top)
    if effects.has_zero:
        ends = (panel.bottom - 5, panel.top + 26)
        axes.plot([0, 0], ends, color=INK, linewidth=1.3, zorder=1, clip_on=False)
    depth = 31 + LINE_HEIGHT * (len(words) - 1) / 2
    half = text_width(words) / 2
    middle = min(max((panel.left + panel.right) / 2, half), panel.sheet.width - half)
    panel.sheet.write(words, middle, panel.bottom - depth, color=MUTED, ha="center")
    left, right = effects.ends
    if left and zero - panel.left > _ROOM_FOR_WORD:
        panel.sheet.write([left], zero - 9, panel.top + 20, color=MUTED, ha="right")
    if right and panel.right - zero > _ROOM_FOR_WORD:
        panel.sheet.write([right], zero + 9, panel.top + 20, color=MUTED)


def _find_ratios(limits: tuple[float, float], most: int) -> tuple[float, ...]:
    """Returns round ratios, 1 among them, whose logarithms are within the limits."""
    low, high = map(exp, limits)
    is_log = high >= LEAST_FOR_LOG * low
    found = round_ticks(low, high, most, is_log=is_log)
    return tuple(sorted({1.0, *found}))


def _draw_row(panel: Panel, row: Effect, height: float, bottom: float, *, is_ratio: bool) -> None:
    middle = bottom + (height if panel.sheet.is_wide else _ROW) / 2 + (4 if row.seeds else 0)
    if panel.sheet.is_wide:
        panel.sheet.write(wrap_label(row.label), panel.left - 14, middle, ha="right")
        panel.sheet.write(row.texts[:1], panel.right + 18, middle + 8)
        panel.sheet.write(row.texts[1:], panel.right + 18, middle - 8, color=MUTED)
    elif _lines_above(row):
        _write_above(panel, row, bottom + height)
    if is_ratio:
        look: dict[str, Any] = {"color": row.style.colour, "alpha": 0.28, "linewidth": 0}
        panel.axes.barh([middle], [row.mean], _BAR, **look, zorder=1.4)
    _draw_interval(panel, row, middle)
    panel.axes.plot(
        row.seeds,
        [middle - _SEEDS_BELOW] * len(row.seeds),
        "o",
        color=row.style.colour,
        markersize=6,
        markerfacecolor=row.style.colour if row.is_paired else PAPER,
        markeredgewidth=0 if row.is_paired else 1.3,
        alpha=0.75 if row.is_paired else 1,
        zorder=3,
    )


def _write_above(panel: Panel, row: Effect, top: float) -> None:
    """Writes label and figures above the row, on paper that covers grid and zero."""
    *names, figures = _lines_above(row)
    depth = LINE_HEIGHT * (len(names) + 1) + 9
    panel.axes.axhspan(top - depth + 6, top + 6, color=PAPER, lw=0, zorder=1.5, clip_on=False)
    middle = top - 8 - LINE_HEIGHT * (len(names) - 1) / 2
    if names:
        panel.sheet.write(names, 0, middle, fontweight="bold")
    panel.sheet.write([figures], 0, top - 8 - LINE_HEIGHT * len(names), color=MUTED)


def _draw_interval(panel: Panel, row: Effect, y: float) -> None:
    """Draws the mean on its interval, which ends in bars, or in arrows if it continues."""
    axes, (low, high) = panel.axes, panel.axes.get_xlim()
    look: dict[str, Any] = {"color": row.style.colour, "linewidth": LINE_WIDTH}
    if row.interval:
        ends = [min(max(bound, low), high) for bound in row.interval]
        axes.plot(ends, [y, y], **look, zorder=2, clip_on=False)
        for bound, end, depth in zip(row.interval, ends, (7, -7), strict=True):
            x, _ = panel.place(end, y)
            back = x if bound == end else x + depth
            panel.sheet.rule([back, x, back], [y - 6, y, y + 6], **look)
    axes.plot([row.mean], [y], **marker(row.style, 1.25), zorder=4, clip_on=False)
