"""Every cell beside the baseline: its difference, paired if seeds pair, and its divergence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bnexp.analysis.cells import Cell
from bnexp.analysis.confounds import confounding_keys, is_explained, unchecked_runs
from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import Difference, Divergence, Question, Verdict
from bnexp.analysis.seed_difference import SeedDifference, Values, compare_seeds
from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import holm
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.analysis.stats.shares import Count, fisher_exact


@dataclass(frozen=True)
class Contrast:
    """A cell beside the baseline, before the p-values of the family are adjusted."""

    cell: str
    found: SeedDifference
    difference: Difference
    """Its p-values are not adjusted yet, and it has no verdict."""

    @property
    def is_confounded(self) -> bool:
        """Whether something else may explain the difference, so that no cause can be named."""
        return bool(self.difference.confounds or self.difference.unchecked)

    @property
    def is_asked(self) -> bool:
        """Whether the contrast belongs to Holm's family.

        A cell that is identical to the baseline asks no question, and a confounded one gets
        no answer.
        """
        return not (self.found.estimate.is_zero or self.is_confounded)


def contrast_with_baseline(
    cells: Sequence[Cell],
    baseline: Cell,
    values: Mapping[str, Values],
    question: Question,
    swept: Collection[str],
) -> list[Contrast]:
    """Returns the contrasts with the baseline of the cells that have one.

    Cells without a finished run have none, and no cell has one if the baseline has no
    finished run.
    """
    control = values[baseline.label]
    return [
        _contrast(cell, baseline, compare_seeds(values[cell.label], control), question, swept)
        for cell in cells
        if cell.label != baseline.label and values[cell.label] and control
    ]


def _contrast(
    cell: Cell,
    baseline: Cell,
    found: SeedDifference,
    question: Question,
    swept: Collection[str],
) -> Contrast:
    estimate, margin, interval = found.estimate, question.margin, found.estimate.interval
    difference = Difference(
        mean=estimate.mean,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        p=estimate.p,
        p_holm=estimate.p,
        verdict="not tested",
        n=found.n,
        by_seed=found.by_seed,
        confounds=confounding_keys(cell.measured, baseline.measured, swept, question.metric),
        unchecked=len(unchecked_runs((*cell.measured, *baseline.measured))),
        changed=_changed_keys(cell, baseline),
        p_equivalence=None if margin is None else equivalence_p(estimate, margin),
    )
    return Contrast(cell.label, found, difference)


def _changed_keys(treatment: Cell, baseline: Cell) -> tuple[str, ...]:
    """Returns the keys that differ; an option that one part alone has belongs to that part."""
    keys = dict.fromkeys((*baseline.settings, *treatment.settings))
    changed = [key for key in keys if treatment.settings.get(key) != baseline.settings.get(key)]
    return tuple(
        key
        for key in changed
        if (key in treatment.settings and key in baseline.settings)
        or not is_explained(key, [other for other in changed if other != key])
    )


def judge_contrasts(contrasts: Sequence[Contrast], question: Question) -> list[Difference]:
    """Returns each contrast with its adjusted p-values and its verdict.

    Holm's family is all the contrasts at hand that could be tested and can have a verdict;
    the others do not enlarge it, and keep their p as it is.
    """
    ps = _adjust(contrasts, [contrast.difference.p for contrast in contrasts])
    equivalences = _adjust(contrasts, [contrast.difference.p_equivalence for contrast in contrasts])
    tested = sum(contrast.is_asked and contrast.difference.p is not None for contrast in contrasts)
    # A smallest p has to meet the strictest of Holm's steps.
    significance = SIGNIFICANCE / max(1, tested)
    return [
        _judge(contrast, p, p_equivalence, question, significance)
        for contrast, p, p_equivalence in zip(contrasts, ps, equivalences, strict=True)
    ]


def _adjust(contrasts: Sequence[Contrast], p_values: Sequence[float | None]) -> list[float | None]:
    is_asked = [contrast.is_asked for contrast in contrasts]
    adjusted = holm([p if asked else None for p, asked in zip(p_values, is_asked, strict=True)])
    return [p if after is None else after for p, after in zip(p_values, adjusted, strict=True)]


def _judge(
    contrast: Contrast,
    p_holm: float | None,
    p_equivalence: float | None,
    question: Question,
    significance: float,
) -> Difference:
    verdict = _verdict(contrast, p_holm, p_equivalence, question.metric)
    judged = replace(
        contrast.difference, p_holm=p_holm, p_equivalence=p_equivalence, verdict=verdict
    )
    if verdict != "no clear difference":
        return judged
    design, margin = contrast.found.design, question.margin
    return replace(
        judged,
        smallest_detectable=design.smallest_detectable(significance=significance),
        seeds_needed=(
            None if margin is None else design.seeds_needed(margin, significance=significance)
        ),
    )


def _verdict(
    contrast: Contrast, p_holm: float | None, p_equivalence: float | None, metric: str
) -> Verdict:
    change = contrast.difference.mean
    if p_holm is None:
        return "not tested"
    if contrast.found.estimate.is_zero:
        return "identical"
    if contrast.is_confounded:
        return "confounded"
    if p_equivalence is not None and p_equivalence <= SIGNIFICANCE:
        return "equivalent"
    if p_holm > SIGNIFICANCE:
        return "no clear difference"
    direction = better_direction(metric)
    if direction == 0:
        return "higher" if change > 0 else "lower"
    return "better" if direction * change > 0 else "worse"


def compare_divergence(cells: Sequence[Cell], baseline: Cell) -> dict[str, Divergence]:
    """Returns Fisher's exact test for each cell that diverged, or whose baseline did.

    Cells of which no run has ended are left out. Holm's family is all that are tested.
    """
    control = _count(baseline)
    counts = {cell.label: _count(cell) for cell in cells if cell is not baseline}
    tested = {
        label: (count, fisher_exact(count, control))
        for label, count in counts.items()
        if count.n and control.n and count.events + control.events
    }
    adjusted = holm([p for _, p in tested.values()])
    return {
        label: Divergence(count.events, count.n, control.events, control.n, p, p_holm)
        for (label, (count, p)), p_holm in zip(tested.items(), adjusted, strict=True)
    }


def _count(cell: Cell) -> Count:
    diverged = sum(run.state == "diverged" for run in cell.measured)
    return Count(diverged, len(cell.measured))
