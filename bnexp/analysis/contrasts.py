"""Every cell beside the baseline: its difference, paired if seeds pair, and its divergence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bnexp.analysis.cells import Cell
from bnexp.analysis.differences.confounds import confounding_keys, is_explained
from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import Difference, Divergence, Question, Verdict
from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import Values, compare_seeds, holm
from bnexp.analysis.stats.power import SIGNIFICANCE, Design
from bnexp.analysis.stats.shares import Count, fisher_exact


def contrast_with_baseline(
    cell: Cell,
    baseline: Cell,
    values: Mapping[str, Values],
    question: Question,
    swept: Collection[str],
) -> Difference | None:
    """Returns a cell's difference to the baseline, without a verdict and with p not adjusted.

    None if one of the two has no finished run, or if they are the same.
    """
    treatment, control, margin = values[cell.label], values[baseline.label], question.margin
    if cell is baseline or not (treatment and control):
        return None
    found = compare_seeds(treatment, control)
    return Difference(
        **vars(found),
        p_holm=found.p,
        confounds=confounding_keys(cell.measured, baseline.measured, swept, question.metric),
        unchecked=len(cell.unchecked) + len(baseline.unchecked),
        changed=_changed_keys(cell, baseline),
        p_equivalence=None if margin is None else equivalence_p(found, margin),
    )


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


def judge_differences(differences: Sequence[Difference], question: Question) -> list[Difference]:
    """Returns each difference with its adjusted p-values and its verdict.

    Holm's family is all the differences at hand that could be tested and can have a verdict;
    the others do not enlarge it, and keep their p as it is.
    """
    asked = [found for found in differences if found.is_asked]
    ps = iter(holm([found.p for found in asked]))
    equivalences = iter(holm([found.p_equivalence for found in asked]))
    adjusted = [
        replace(found, p_holm=next(ps), p_equivalence=next(equivalences))
        if found.is_asked
        else found
        for found in differences
    ]
    # A smallest p has to meet the strictest of Holm's steps.
    significance = SIGNIFICANCE / max(1, sum(found.p is not None for found in asked))
    return [_judge(found, question, significance) for found in adjusted]


def _judge(difference: Difference, question: Question, significance: float) -> Difference:
    judged = replace(difference, verdict=_verdict(difference, question.metric))
    if judged.verdict != "no clear difference":
        return judged
    design, margin = Design.of(*difference.samples), question.margin
    return replace(
        judged,
        smallest_detectable=design.smallest_detectable(significance=significance),
        seeds_needed=(
            None if margin is None else design.seeds_needed(margin, significance=significance)
        ),
    )


def _verdict(difference: Difference, metric: str) -> Verdict:
    if difference.p_holm is None:
        return "not tested"
    if difference.is_zero:
        return "identical"
    if difference.is_confounded:
        return "confounded"
    if difference.p_equivalence is not None and difference.p_equivalence <= SIGNIFICANCE:
        return "equivalent"
    if difference.p_holm > SIGNIFICANCE:
        return "no clear difference"
    direction = better_direction(metric)
    if direction == 0:
        return "higher" if difference.mean > 0 else "lower"
    return "better" if direction * difference.mean > 0 else "worse"


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
