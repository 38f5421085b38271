"""Effects as rows: a mean difference, its interval and its seeds, beside zero and the margin."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import CellResult, ClaimResult, ClaimTest, Comparison, Difference
from bnexp.reports.figures.chart import Chart, describe_selection
from bnexp.reports.figures.sheet import (
    LINE_HEIGHT,
    NARROW,
    WIDE,
    Sheet,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    text_width,
    wrap_label,
)
from bnexp.reports.figures.style import (
    INK,
    INKED,
    LINE_WIDTH,
    MUTED,
    PAPER,
    Style,
    cell_styles,
)
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.claims import claim_format, describe_claim
from bnexp.reports.words.formatting import MetricFormat, format_difference, metric_format
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


@dataclass(frozen=True)
class Effect:
    """One row: a difference with its interval and its seeds, in the unit that is shown."""

    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]
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
    direction: int = 0
    """1 if a higher value is better, -1 if a lower one is, 0 if nobody can say."""

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis: it holds zero, the margin, every mean, seed and interval.

        An interval of fewer than three pairs may run beyond it if there are better ones.
        """
        sure = [row for row in self.rows if row.n >= _LEAST_FOR_SCALE] or self.rows
        values = [0.0, *(() if self.margin is None else (-self.margin, self.margin))]
        values += [value for row in self.rows for value in (row.mean, *row.seeds)]
        values += [bound for row in sure for bound in row.interval or ()]
        return pad_limits(values, 0.05)

    @property
    def has_arrows(self) -> bool:
        """Whether an interval runs beyond the axis."""
        low, high = self.limits
        bounds = [bound for row in self.rows for bound in row.interval or ()]
        return any(not low <= bound <= high for bound in bounds)


def build_effects(comparison: Comparison) -> Chart | None:
    """Returns the figure of each cell's difference to the baseline, or None without any.

    Seeds that don't pair are drawn as their value minus the baseline's mean, hollow.
    """
    rows = _build_rows(comparison)
    if not rows:
        return None
    shown, margin = metric_format(comparison), effect_margin(comparison)
    unit = f" ({shown.difference_unit})" if shown.difference_unit else ""
    effects = Effects(
        rows,
        None if margin is None else margin * shown.scale,
        f"{comparison.metric} minus the baseline's{unit}",
        better_direction(comparison.metric),
    )
    labels = shorten_cell_names(comparison)
    return Chart(
        f"{comparison.experiment}: {comparison.metric} against {labels[comparison.baseline]}",
        _caption(effects, None if margin is None else shown.margin(margin)),
        "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in rows),
        lambda is_wide: _draw(effects, is_wide=is_wide),
        describe_selection(comparison),
    )


def build_claim_effect(claim: ClaimResult) -> Chart | None:
    """Returns the claim's difference as one row with its margin, or None without a figure."""
    test = claim.test
    if test is None:
        return None
    shown = claim_format(claim.claim)
    row = Effect(
        test.mean * shown.scale,
        _interval(test, shown),
        tuple(value * shown.scale for value in test.by_seed.values()),
        test.n,
        test.is_paired,
    )
    unit = f" ({shown.difference_unit})" if shown.difference_unit else ""
    axis_name = f"treatment minus control{unit}; shaded: within the margin"
    effects = Effects((row,), claim.claim.margin * shown.scale, axis_name)
    return Chart(
        claim.claim.statement,
        "",
        describe_claim(claim).evidence,
        lambda is_wide: _draw(effects, is_wide=is_wide),
    )


def effect_margin(comparison: Comparison) -> float | None:
    """Returns the reader's margin, else the one that all claims on this very metric share."""
    if comparison.margin is not None:
        return comparison.margin
    margins = {
        claim.margin
        for claim in (result.claim for result in comparison.claims)
        if claim.metric == comparison.metric and claim.reduction is None and claim.margin > 0
    }
    return margins.pop() if len(margins) == 1 else None


def _build_rows(comparison: Comparison) -> tuple[Effect, ...]:
    labels, styles = shorten_cell_names(comparison), cell_styles(comparison)
    shown, baseline = metric_format(comparison), comparison.baseline_cell
    rows = []
    for cell in comparison.cells:
        difference = cell.difference
        if difference is None:
            continue
        is_paired = difference.is_paired
        pairs = count(difference.n, "pair") if is_paired else f"{cell.n} and {baseline.n}"
        rows.append(
            Effect(
                difference.mean * shown.scale,
                _interval(difference, shown),
                tuple(value * shown.scale for value in _by_seed(cell, difference, baseline)),
                difference.n if is_paired else min(cell.n, baseline.n),
                is_paired,
                space_label(labels[cell.cell]),
                (format_difference(difference, shown), f"{difference.verdict}, n = {pairs}"),
                styles[cell.cell],
            )
        )
    return tuple(rows)


def _interval(found: Difference | ClaimTest, shown: MetricFormat) -> tuple[float, float] | None:
    if found.ci_low is None or found.ci_high is None:
        return None
    return found.ci_low * shown.scale, found.ci_high * shown.scale


def _by_seed(cell: CellResult, difference: Difference, baseline: CellResult) -> list[float]:
    """Returns each seed's difference; to the baseline's mean if seeds don't pair."""
    if difference.is_paired:
        return list(difference.by_seed.values())
    return [value - (baseline.mean or 0.0) for value in cell.values.values()]


def _caption(effects: Effects, margin: str | None) -> str:
    has_interval = any(row.interval for row in effects.rows)
    is_hollow = any(not row.is_paired for row in effects.rows)
    parts = [
        f"Large: mean difference{' with its 95 % t interval' if has_interval else ''}.",
        f"Small: single seeds{' (hollow: not paired)' if is_hollow else ''}.",
    ]
    parts += [f"Shaded: within the margin of {margin}."] if margin is not None else []
    parts += ["Arrow: the interval continues."] if effects.has_arrows else []
    return " ".join([*parts, *([ALONE] if len(effects.rows) > 1 else [])])


def _draw(effects: Effects, *, is_wide: bool) -> Sheet:
    """Returns the drawing: texts beside the rows if it is wide, else above them."""
    rows = effects.rows
    heights = [_height(row, is_wide=is_wide) for row in rows]
    left, right = 14.0, 14.0
    if is_wide:
        left = 20 + text_width(line for row in rows for line in wrap_label(row.label))
        right = 24 + text_width(line for row in rows for line in row.texts)
    total = sum(heights)
    width = WIDE if is_wide else NARROW
    sheet = Sheet(width, _TOP + total + _BOTTOM, (left, _TOP, right, _BOTTOM))
    _draw_axes(sheet, effects, is_wide=is_wide)
    for row, height, below in zip(rows, heights, accumulate(heights), strict=True):
        _draw_row(sheet, row, height, sheet.top - below, is_wide=is_wide)
    return sheet


def _height(row: Effect, *, is_wide: bool) -> float:
    if is_wide:
        return max(_ROW, LINE_HEIGHT * len(wrap_label(row.label)) + 10)
    return _ROW + (LINE_HEIGHT * len(_lines_above(row)) + 6 if row.label else 0)


def _lines_above(row: Effect) -> tuple[str, ...]:
    return (*wrap_label(row.label, _LONGEST_ABOVE), " · ".join(row.texts))


def _draw_axes(sheet: Sheet, effects: Effects, *, is_wide: bool) -> None:
    axes = sheet.axes
    axes.set_xlim(effects.limits)
    axes.set_ylim(sheet.bottom, sheet.top)
    sheet.set_ticks("x", round_ticks(*effects.limits, 7 if is_wide else 6))
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="x")
    if effects.margin is not None:
        axes.axvspan(-effects.margin, effects.margin, color=MUTED, alpha=0.16, lw=0, zorder=0)
    zero, _ = sheet.place(0, sheet.top)
    ends = (sheet.bottom - 5, sheet.top + 26)
    axes.plot([0, 0], ends, color=INK, linewidth=1.3, zorder=1, clip_on=False)
    middle = (sheet.left + sheet.right) / 2
    sheet.write([effects.axis_name], middle, sheet.bottom - 31, colour=MUTED, align="center")
    below, above = ("← worse", "better →") if effects.direction > 0 else ("← better", "worse →")
    if effects.direction and zero - sheet.left > _ROOM_FOR_WORD:
        sheet.write([below], zero - 9, sheet.top + 20, colour=MUTED, align="right")
    if effects.direction and sheet.right - zero > _ROOM_FOR_WORD:
        sheet.write([above], zero + 9, sheet.top + 20, colour=MUTED)


def _draw_row(sheet: Sheet, row: Effect, height: float, bottom: float, *, is_wide: bool) -> None:
    middle = bottom + (height if is_wide else _ROW) / 2 + (4 if row.seeds else 0)
    if is_wide:
        sheet.write(wrap_label(row.label), sheet.left - 14, middle, align="right")
        sheet.write(row.texts[:1], sheet.right + 18, middle + 8)
        sheet.write(row.texts[1:], sheet.right + 18, middle - 8, colour=MUTED)
    elif row.label:
        _write_above(sheet, row, bottom + height)
    _draw_interval(sheet, row, middle)
    dots: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6,
        "color": row.style.colour,
        "markerfacecolor": row.style.colour if row.is_paired else PAPER,
        "markeredgewidth": 0 if row.is_paired else 1.3,
        "alpha": 0.75 if row.is_paired else 1,
    }
    sheet.axes.plot(row.seeds, [middle - _SEEDS_BELOW] * len(row.seeds), zorder=3, **dots)


def _write_above(sheet: Sheet, row: Effect, top: float) -> None:
    """Writes label and figures above the row, on paper that covers grid and zero."""
    *names, figures = _lines_above(row)
    depth = LINE_HEIGHT * (len(names) + 1) + 9
    sheet.axes.axhspan(top - depth + 6, top + 6, color=PAPER, lw=0, zorder=1.5, clip_on=False)
    middle = top - 8 - LINE_HEIGHT * (len(names) - 1) / 2
    sheet.write(names, 0, middle, fontweight="bold")
    sheet.write([figures], 0, top - 8 - LINE_HEIGHT * len(names), colour=MUTED)


def _draw_interval(sheet: Sheet, row: Effect, y: float) -> None:
    """Draws the mean on its interval, which ends in bars, or in arrows if it continues."""
    axes, (low, high) = sheet.axes, sheet.axes.get_xlim()
    look: dict[str, Any] = {
        "color": row.style.colour,
        "linewidth": LINE_WIDTH,
        "clip_on": False,
        "zorder": 2,
    }
    if row.interval is not None:
        axes.plot([max(row.interval[0], low), min(row.interval[1], high)], [y, y], **look)
        for bound, arrow in zip(row.interval, ("<", ">"), strict=True):
            place = min(max(bound, low), high)
            _draw_end(sheet, place, y, "|" if place == bound else arrow, row.style.colour)
    axes.plot([row.mean], [y], **marker(row.style, 1.25), zorder=4, clip_on=False)


def _draw_end(sheet: Sheet, x: float, y: float, end: str, colour: str) -> None:
    across, _ = sheet.place(x, y)
    side = {"<": 7, ">": -7, "|": 0}[end]
    sheet.rule(
        [across + side, across, across + side], [y - 6, y, y + 6], color=colour, lw=LINE_WIDTH
    )
