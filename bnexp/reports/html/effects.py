"""The effect plot: each cell's difference to the baseline, and each claim's difference."""

from __future__ import annotations

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import CellResult, ClaimResult, Comparison, Difference
from bnexp.reports.figures.effects import seed_differences
from bnexp.reports.html.effect_plot import Effect, EffectPlot, draw_effects, has_arrows
from bnexp.reports.html.frame import fold
from bnexp.reports.html.marks import Mark, cell_marks
from bnexp.reports.html.markup import Markup, tag
from bnexp.reports.words.claims import claim_format, describe_claim
from bnexp.reports.words.formatting import MetricFormat, format_difference, metric_format
from bnexp.wording import count

FOOTNOTE = (
    "Intervals are for each comparison alone; the verdict uses p adjusted by Holm over all of them."
)


def render_effects(comparison: Comparison) -> Markup | None:
    """Returns the figure with its caption, or None where no cell has a difference."""
    effects = _effects(comparison)
    if not effects:
        return None
    shown = metric_format(comparison)
    margin = effect_margin(comparison)
    margin = None if margin is None else margin * shown.scale
    unit = f" ({shown.difference_unit})" if shown.difference_unit else ""
    axis = f"{comparison.metric} minus the baseline's{unit}"
    described = "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in effects)
    plot = EffectPlot(tuple(effects), margin, axis, described, better_direction(comparison.metric))
    caption = ["Large: mean difference with its 95 % t interval. Small: single seeds"]
    caption.append(" (hollow: not paired)." if any(not row.is_paired for row in effects) else ".")
    if margin is not None:
        caption.append(f" Shaded: within the margin of {shown.margin(margin / shown.scale)}.")
    if has_arrows(plot):
        caption.append(" Arrow: the interval runs on.")
    if len(effects) > 1:
        caption.append(f" {FOOTNOTE}")
    drawings = fold(draw_effects(plot, is_wide=True), draw_effects(plot, is_wide=False))
    return tag("figure", drawings, tag("figcaption", "".join(caption)))


def render_claim_effect(claim: ClaimResult) -> Markup | None:
    """Returns the claim's difference as one row with its margin, or None without a figure."""
    test = claim.test
    if test is None:
        return None
    shown = claim_format(claim.claim)
    scale = shown.scale
    has_interval = test.ci_low is not None and test.ci_high is not None
    effect = Effect(
        mean=test.mean * scale,
        interval=((test.ci_low or 0.0) * scale, (test.ci_high or 0.0) * scale)
        if has_interval
        else None,
        seeds=tuple(value * scale for value in test.by_seed.values()),
        n=test.n,
        is_paired=test.is_paired,
        label="",
        texts=(),
    )
    unit = f" ({shown.difference_unit})" if shown.difference_unit else ""
    axis = f"treatment minus control{unit}; shaded: within the margin"
    described = describe_claim(claim).evidence
    plot = EffectPlot((effect,), claim.claim.margin * scale, axis, described)
    return draw_effects(plot, is_wide=False)


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


def _effects(comparison: Comparison) -> list[Effect]:
    marks, shown = cell_marks(comparison), metric_format(comparison)
    baseline = comparison.baseline_cell
    return [
        _effect(cell, cell.difference, baseline, marks[cell.cell], shown)
        for cell in comparison.cells
        if cell.difference is not None
    ]


def _effect(
    cell: CellResult, difference: Difference, baseline: CellResult, mark: Mark, shown: MetricFormat
) -> Effect:
    scale = shown.scale
    interval = None
    if difference.ci_low is not None and difference.ci_high is not None:
        interval = (difference.ci_low * scale, difference.ci_high * scale)
    seeds = seed_differences(cell, difference, baseline)
    pairs = count(difference.n, "pair") if difference.is_paired else f"{cell.n} and {baseline.n}"
    return Effect(
        mean=difference.mean * scale,
        interval=interval,
        seeds=tuple(value * scale for value in seeds),
        n=difference.n if difference.is_paired else min(cell.n, baseline.n),
        is_paired=difference.is_paired,
        label=mark.spaced,
        texts=(format_difference(difference, shown), f"{difference.verdict}, n = {pairs}"),
        mark=mark,
    )
