"""The difference of every cell to the baseline: paired where seeds pair, with a verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bnexp.analysis.cells import Cell
from bnexp.analysis.confounds import confounding_keys
from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import Difference, Verdict
from bnexp.analysis.statistics import (
    DifferenceEstimate,
    Interval,
    holm,
    paired_difference,
    welch_difference,
)

SIGNIFICANCE = 0.05
"""The Holm-adjusted p at or below which a difference counts as clear."""

Values = Mapping[int, float]
"""The final value of each seed."""


@dataclass(frozen=True)
class _Contrast:
    estimate: DifferenceEstimate
    by_seed: Values
    is_paired: bool
    n: int


def differences_to_baseline(
    cells: Sequence[Cell],
    baseline: Cell,
    values: Mapping[str, Values],
    metric: str,
    swept: Collection[str],
) -> dict[str, Difference]:
    """Returns the difference to the baseline of each cell that has one, by the cell's label.

    Cells without a finished run have none, and no cell has one where the baseline
    has no finished run. Holm's family is all the differences that could be tested; a
    cell that is identical to the baseline asks no question and does not enlarge it.
    """
    control = values[baseline.label]
    others = [cell for cell in cells if cell.label != baseline.label]
    contrasts = {
        cell.label: _contrast(values[cell.label], control)
        for cell in others
        if values[cell.label] and control
    }
    p_values = {
        label: contrast.estimate.p
        for label, contrast in contrasts.items()
        if contrast.estimate.p is not None and not _is_identical(contrast.estimate)
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {
        cell.label: _judge(
            contrasts[cell.label],
            adjusted.get(cell.label, contrasts[cell.label].estimate.p),
            metric,
            confounding_keys(cell.measured, baseline.measured, swept),
        )
        for cell in others
        if cell.label in contrasts
    }


def _is_identical(estimate: DifferenceEstimate) -> bool:
    return estimate.interval == Interval(0.0, 0.0)


def _contrast(treatment: Values, control: Values) -> _Contrast:
    common = sorted(treatment.keys() & control.keys())
    if len(common) > 1 or (common and min(len(treatment), len(control)) < 2):
        after, before = ([values[seed] for seed in common] for values in (treatment, control))
        by_seed = {seed: treatment[seed] - control[seed] for seed in common}
        return _Contrast(paired_difference(after, before), by_seed, True, len(common))
    estimate = welch_difference(list(treatment.values()), list(control.values()))
    return _Contrast(estimate, {}, False, len(treatment) + len(control))


def _judge(
    contrast: _Contrast, p_holm: float | None, metric: str, confounds: tuple[str, ...]
) -> Difference:
    estimate = contrast.estimate
    return Difference(
        mean=estimate.mean,
        ci_low=estimate.interval.low if estimate.interval else None,
        ci_high=estimate.interval.high if estimate.interval else None,
        p=estimate.p,
        p_holm=p_holm,
        verdict=_verdict(estimate, p_holm, metric, bool(confounds)),
        is_paired=contrast.is_paired,
        n=contrast.n,
        by_seed=contrast.by_seed,
        confounds=confounds,
    )


def _verdict(
    estimate: DifferenceEstimate, p_holm: float | None, metric: str, is_confounded: bool
) -> Verdict:
    if p_holm is None:
        return "not tested"
    if _is_identical(estimate):
        return "identical"
    if is_confounded:
        return "confounded"
    if p_holm > SIGNIFICANCE:
        return "no clear difference"
    direction = better_direction(metric)
    if direction == 0:
        return "higher" if estimate.mean > 0 else "lower"
    return "better" if direction * estimate.mean > 0 else "worse"
