"""Every cell beside the baseline: its difference, paired if seeds pair, and its divergence."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from bnexp.analysis.cells import Cell
from bnexp.analysis.confounds import confounding_keys, unchecked_runs
from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import Difference, Divergence, Verdict
from bnexp.analysis.stats.equivalence import equivalence_p
from bnexp.analysis.stats.intervals import (
    DifferenceEstimate,
    holm,
    paired_difference,
    welch_difference,
)
from bnexp.analysis.stats.power import (
    POWER,
    SIGNIFICANCE,
    seeds_for_paired_power,
    seeds_for_welch_power,
    smallest_detectable_paired,
    smallest_detectable_welch,
)
from bnexp.analysis.stats.shares import Count, fisher_exact

Values = Mapping[int, float]
"""The final value of each seed."""


@dataclass(frozen=True)
class Contrast:
    """A cell beside the baseline, before the p-values of the family are adjusted."""

    cell: Cell
    baseline: Cell
    seeds: tuple[int, ...]
    """The common seeds that are compared one by one; empty if they don't pair."""
    treatment: tuple[float, ...]
    control: tuple[float, ...]
    estimate: DifferenceEstimate
    p_equivalence: float | None

    @property
    def by_seed(self) -> dict[int, float]:
        """The difference of each common seed; empty if the seeds don't pair."""
        pairs = zip(self.seeds, self.treatment, self.control, strict=False)
        return {seed: after - before for seed, after, before in pairs}

    @property
    def n(self) -> int:
        """Pairs of seeds if they pair, else the runs of both cells together."""
        return len(self.seeds) or len(self.treatment) + len(self.control)


@dataclass(frozen=True)
class _Obstacle:
    """What forbids a causal verdict; false if nothing does."""

    confounds: tuple[str, ...]
    unchecked: int
    """Runs of which it cannot be known what they ran on."""

    def __bool__(self) -> bool:
        return bool(self.confounds or self.unchecked)


@dataclass(frozen=True)
class _Standard:
    """What all contrasts of a family are judged by."""

    metric: str
    margin: float | None
    significance: float
    """That of the strictest of Holm's steps, which a smallest p has to meet."""


def contrast_with_baseline(
    cells: Sequence[Cell], baseline: Cell, values: Mapping[str, Values], margin: float | None
) -> list[Contrast]:
    """Returns the contrasts with the baseline of the cells that have one.

    Cells without a finished run have none, and no cell has one if the baseline has no
    finished run.
    """
    control = values[baseline.label]
    return [
        _contrast(cell, baseline, values[cell.label], control, margin)
        for cell in cells
        if cell.label != baseline.label and values[cell.label] and control
    ]


def judge_contrasts(
    contrasts: Sequence[Contrast], metric: str, swept: Collection[str], margin: float | None
) -> list[Difference]:
    """Returns each contrast with its adjusted p-values and its verdict.

    Holm's family is all the contrasts at hand that could be tested and can have a verdict. A
    cell that is identical to the baseline asks no question, and a confounded one gets no
    answer: they do not enlarge the family, and keep their p as it is.
    """
    obstacles = [_find_obstacle(contrast, metric, swept) for contrast in contrasts]
    is_asked = [
        not (contrast.estimate.is_zero or obstacle)
        for contrast, obstacle in zip(contrasts, obstacles, strict=True)
    ]
    ps = [contrast.estimate.p for contrast in contrasts]
    tested = sum(p is not None for p in itertools.compress(ps, is_asked))
    standard = _Standard(metric, margin, SIGNIFICANCE / max(1, tested))
    adjusted = _adjust(ps, is_asked)
    equivalences = _adjust([contrast.p_equivalence for contrast in contrasts], is_asked)
    return [
        _judge(contrast, obstacle, p, p_equivalence, standard)
        for contrast, obstacle, p, p_equivalence in zip(
            contrasts, obstacles, adjusted, equivalences, strict=True
        )
    ]


def _find_obstacle(contrast: Contrast, metric: str, swept: Collection[str]) -> _Obstacle:
    treatment, control = contrast.cell.measured, contrast.baseline.measured
    return _Obstacle(
        confounding_keys(treatment, control, swept, metric),
        len(unchecked_runs((*treatment, *control))),
    )


def _adjust(p_values: Sequence[float | None], is_asked: Sequence[bool]) -> list[float | None]:
    """Returns the p-values, adjusted together if they exist and are asked for."""
    family = {
        index: p
        for index, (p, asked) in enumerate(zip(p_values, is_asked, strict=True))
        if asked and p is not None
    }
    adjusted = dict(zip(family, holm(list(family.values())), strict=True))
    return [adjusted.get(index, p) for index, p in enumerate(p_values)]


def _contrast(
    cell: Cell, baseline: Cell, treatment: Values, control: Values, margin: float | None
) -> Contrast:
    common = sorted(treatment.keys() & control.keys())
    if len(common) > 1 or (common and min(len(treatment), len(control)) < 2):
        after, before = (tuple(side[seed] for seed in common) for side in (treatment, control))
        estimate = paired_difference(after, before)
    else:
        common, after, before = [], tuple(treatment.values()), tuple(control.values())
        estimate = welch_difference(after, before)
    p_equivalence = None if margin is None else equivalence_p(estimate, margin)
    return Contrast(cell, baseline, tuple(common), after, before, estimate, p_equivalence)


def _judge(
    contrast: Contrast,
    obstacle: _Obstacle,
    p_holm: float | None,
    p_equivalence: float | None,
    standard: _Standard,
) -> Difference:
    estimate, interval = contrast.estimate, contrast.estimate.interval
    verdict = _verdict(contrast, p_holm, p_equivalence, standard.metric, bool(obstacle))
    is_open = verdict == "no clear difference"
    return Difference(
        mean=estimate.mean,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        p=estimate.p,
        p_holm=p_holm,
        verdict=verdict,
        is_paired=bool(contrast.seeds),
        n=contrast.n,
        by_seed=contrast.by_seed,
        confounds=obstacle.confounds,
        unchecked=obstacle.unchecked,
        changed=_changed_keys(contrast.cell, contrast.baseline),
        p_equivalence=p_equivalence,
        smallest_detectable=_smallest_detectable(contrast, standard) if is_open else None,
        seeds_needed=_seeds_needed(contrast, standard) if is_open else None,
    )


def _smallest_detectable(contrast: Contrast, standard: _Standard) -> float | None:
    if contrast.seeds:
        spread = stdev(contrast.by_seed.values())
        return smallest_detectable_paired(spread, contrast.n, POWER, standard.significance)
    after, before = contrast.treatment, contrast.control
    spreads, sizes = (stdev(after), stdev(before)), (len(after), len(before))
    return smallest_detectable_welch(*spreads, *sizes, POWER, standard.significance)


def _seeds_needed(contrast: Contrast, standard: _Standard) -> int | None:
    margin, significance = standard.margin, standard.significance
    if margin is None:
        return None
    if contrast.seeds:
        spread = stdev(contrast.by_seed.values())
        return seeds_for_paired_power(margin, spread, POWER, significance)
    spreads = stdev(contrast.treatment), stdev(contrast.control)
    return seeds_for_welch_power(margin, *spreads, POWER, significance)


def _changed_keys(treatment: Cell, baseline: Cell) -> tuple[str, ...]:
    keys = dict.fromkeys((*baseline.settings, *treatment.settings))
    return tuple(key for key in keys if treatment.settings.get(key) != baseline.settings.get(key))


def _verdict(
    contrast: Contrast,
    p_holm: float | None,
    p_equivalence: float | None,
    metric: str,
    is_confounded: bool,
) -> Verdict:
    if p_holm is None:
        return "not tested"
    if contrast.estimate.is_zero:
        return "identical"
    if is_confounded:
        return "confounded"
    if p_equivalence is not None and p_equivalence <= SIGNIFICANCE:
        return "equivalent"
    if p_holm > SIGNIFICANCE:
        return "no clear difference"
    direction, change = better_direction(metric), contrast.estimate.mean
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
