"""Compares the cells of an experiment on one metric: seeds in, differences with verdicts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import isfinite
from statistics import mean, median, stdev

from bnexp.analysis.caveats import find_caveats
from bnexp.analysis.cells import Cell, choose_baseline, group_cells, swept_keys
from bnexp.analysis.chance import find_chance
from bnexp.analysis.close_calls import find_close_calls
from bnexp.analysis.contrasts import compare_divergence, contrast_with_baseline, judge_differences
from bnexp.analysis.diagnostics import find_layer_caveats
from bnexp.analysis.differences.confounds import find_confounds
from bnexp.analysis.differences.differing_keys import differing_keys
from bnexp.analysis.differences.tuning import group_by_tuning
from bnexp.analysis.metrics import (
    SUMMARY_METRICS,
    better_direction,
    curve_tags,
    epoch_values,
    final_value,
    has_epochs,
    is_accuracy,
    known_metrics,
    known_values,
    train_test_gap,
)
from bnexp.analysis.results import (
    CellResult,
    Choices,
    Comparison,
    Difference,
    Divergence,
    Question,
    SpeedObstacle,
    TunedCells,
)
from bnexp.analysis.speeds import find_speed_obstacle
from bnexp.analysis.stats.intervals import t_interval
from bnexp.analysis.targets import epochs_to_target
from bnexp.analysis.where import split_runs
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import EVALUATED, STATES, RunRecord, Summary

_DEFAULT = Question()


def compare_runs(
    records: Sequence[RunRecord],
    question: Question = _DEFAULT,
    whole: Sequence[RunRecord] | None = None,
) -> Comparison:
    """Returns every cell's final metric over its seeds and its difference to the baseline.

    Only finished runs are averaged; the rest are counted. The numbers don't depend on the
    order of the records, that of the cells does. The claims that the runs were begun with are
    assessed, on the `whole` experiment if the records are only a part of it.

    Raises:
        UsageError: There are no records, no cell is called `baseline`, no finished run
            has the metric, or the target or margin cannot be a value of it.
    """
    (comparison,) = _compare([(tuple(records), question.where)], question)
    claimed = records if whole is None else whole
    if not any(record.claims for record in claimed):
        return comparison
    from bnexp.analysis.claims.assess import (  # slow: the schema
        assess_claims,
        find_unreadable_claims,
    )

    return replace(
        comparison,
        claims=assess_claims(group_cells(claimed)),
        caveats=(*comparison.caveats, *find_unreadable_claims(claimed)),
    )


def compare_by(
    records: Sequence[RunRecord], key: str, question: Question = _DEFAULT
) -> tuple[Comparison, ...]:
    """Returns one comparison for each value of a config key.

    Holm's family is the differences of all of them. Claims, which speak of the whole
    experiment, are not assessed.

    Raises:
        UsageError: As for `compare_runs`, or the key is unknown.
    """
    whole_key, groups = split_runs(records, key)
    parts = [(runs, {**question.where, whole_key: (value,)}) for value, runs in groups.items()]
    return _compare(parts, question)


def _compare(
    parts: Sequence[tuple[tuple[RunRecord, ...], Choices]], question: Question
) -> tuple[Comparison, ...]:
    _check(question)
    swept = swept_keys([record for records, _ in parts for record in records])
    found = [_compare_part(records, where, question, swept) for records, where in parts]
    differences = [cell.difference for part in found for cell in part.cells if cell.difference]
    judged = iter(judge_differences(differences, question))
    return tuple(
        replace(
            part,
            cells=tuple(
                replace(cell, difference=cell.difference and next(judged)) for cell in part.cells
            ),
        )
        for part in found
    )


def _compare_part(
    records: tuple[RunRecord, ...], where: Choices, question: Question, all_swept: Collection[str]
) -> Comparison:
    """Returns the comparison of some runs, whose differences are not judged yet."""
    if not records:
        raise UsageError("there are no runs to compare")
    metric, cells, swept = question.tag, group_cells(records), swept_keys(records)
    own = [
        f"{key} = {' or '.join(values)}"
        for key, values in where.items()
        if question.where.get(key) != values
    ]
    baseline = choose_baseline(cells, question.baseline, ", ".join(own))
    _check_metric(cells, metric)
    values = {
        cell.label: known_values({run.seed: final_value(run, metric) for run in cell.finished})
        for cell in cells
    }
    target = question.target
    if target is None and not is_diagnostic(metric) and (control := values[baseline.label]):
        target = mean(control.values())
    is_counted = target is not None and has_epochs((run for c in cells for run in c.runs), metric)
    if question.target is not None and any(values.values()) and not is_counted:
        raise UsageError(
            f"--target: {metric} was not measured after each epoch, so it is not known when a run "
            "reached a value"
        )
    divergences = compare_divergence(cells, baseline)
    results = tuple(
        _summarise(
            cell,
            values[cell.label],
            metric,
            target if is_counted else None,
            contrast_with_baseline(cell, baseline, values, question, all_swept),
            divergences.get(cell.label),
            find_speed_obstacle(cell, baseline, all_swept),
        )
        for cell in cells
    )
    return Comparison(
        experiment=" + ".join(dict.fromkeys(run.experiment for run in records)),
        question=question,
        baseline=baseline.label,
        target=target,
        swept=swept,
        differing=differing_keys(cell.settings for cell in cells),
        cells=results,
        caveats=(
            *find_confounds({cell.label: cell.measured for cell in cells}, swept, metric),
            *find_caveats(cells, results, baseline.label, metric),
            *find_close_calls(((cell, baseline) for cell in cells), metric),
            *find_layer_caveats(
                {cell.label: cell.finished for cell in cells}, question.metric, question.layers
            ),
        ),
        tunings=tuple(
            TunedCells(tuple(labels), tuning)
            for tuning, labels in group_by_tuning({cell.label: cell.runs for cell in cells})
        ),
        chance=find_chance(run for cell in cells for run in cell.measured),
        where=where,
    )


def _check_metric(cells: Sequence[Cell], metric: str) -> None:
    """Refuses a metric that no finished run has, or if none finished, of which none kept a history.

    If no run got to its first evaluation, any loss or accuracy may be meant.
    """
    summaries = [summary for cell in cells for summary in cell.summaries.values()]
    known = known_metrics([run for cell in cells for run in cell.finished])
    if not known:
        known = tuple(
            sorted({*SUMMARY_METRICS, *(tag for one in summaries for tag in one.history)})
        )
        is_evaluated = any(tag.startswith(EVALUATED) for tag in known)
        if not summaries or (not is_evaluated and better_direction(metric)):
            return
    if metric not in known:
        raise UsageError(
            f"--metric: no run has '{metric}'{did_you_mean(metric, known)}; they have "
            f"{', '.join(known)}"
        )


def _check(question: Question) -> None:
    target, margin = question.target, question.margin
    if target is not None and not isfinite(target):
        raise UsageError(f"--target: {target} is not a number that a run could reach")
    if target is not None and is_diagnostic(question.metric):
        raise UsageError("--target: a diagnostic has no value to reach; it goes with a score")
    if target is not None and is_accuracy(question.metric) and not 0 <= target <= 1:
        percent = target if 1 < target <= 100 else 70
        raise UsageError(
            f"--target: an accuracy is in [0, 1], not {target:g}; for {percent:g} % write "
            f"{percent / 100:g}"
        )
    if margin is not None and not (isfinite(margin) and margin > 0):
        raise UsageError(f"--margin: must be a number above 0, not {margin:g}")
    if margin is not None and is_accuracy(question.metric) and margin >= 1:
        raise UsageError(
            f"--margin: accuracies are in [0, 1], so the margin cannot be {margin:g}; for one "
            "point write 0.01"
        )


def _summarise(
    cell: Cell,
    values: Mapping[int, float],
    metric: str,
    target: float | None,
    difference: Difference | None,
    divergence: Divergence | None,
    speed_obstacle: SpeedObstacle | None,
) -> CellResult:
    numbers = list(values.values())
    ci_low, ci_high = t_interval(numbers) or (None, None)
    states = Counter(run.state for run in cell.runs)
    summaries = cell.summaries
    sizes = {summary.parameters for summary in summaries.values()}
    return CellResult(
        cell=cell.label,
        settings=cell.settings,
        values=values,
        mean=mean(numbers) if numbers else None,
        std=stdev(numbers) if len(numbers) > 1 else None,
        ci_low=ci_low,
        ci_high=ci_high,
        statuses={state: states[state] for state in STATES},
        difference=difference,
        epochs_to_target=(
            None if target is None else epochs_to_target(cell.measured, metric, target)
        ),
        train_test_gap=train_test_gap(cell.finished),
        images_per_second=_median(cell, "images_per_second"),
        elapsed_seconds=_median(cell, "elapsed_seconds"),
        speed_obstacle=speed_obstacle,
        training_memory_bytes=_median(cell, "training_memory_bytes"),
        peak_memory_bytes=_median(cell, "peak_memory_bytes"),
        parameters=sizes.pop() if len(sizes) == 1 else None,
        damaged=sum(run.is_damaged for run in cell.runs),
        silent=sum(run.is_silent for run in cell.runs),
        divergence=divergence,
        curves={
            tag: curves
            for tag in chain(*curve_tags(metric))
            if (curves := _find_curves(summaries, tag))
        },
    )


def _find_curves(summaries: Mapping[int, Summary], tag: str) -> dict[int, tuple[float, ...]]:
    found = {seed: epoch_values(summary, tag) for seed, summary in summaries.items()}
    return {seed: curve for seed, curve in found.items() if curve}


def _median(cell: Cell, figure: str) -> float | None:
    values = [final_value(run, figure) for run in cell.finished]
    known = [value for value in values if value is not None]
    return median(known) if known else None
