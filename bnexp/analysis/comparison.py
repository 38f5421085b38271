"""Compares the cells of an experiment on one metric: seeds in, differences with verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import mean, median, stdev

from bnexp.analysis.caveats import describe_caveats
from bnexp.analysis.cells import Cell, choose_baseline, differing_keys, group_cells, swept_keys
from bnexp.analysis.confounds import describe_confounds
from bnexp.analysis.differences import differences_to_baseline
from bnexp.analysis.metrics import (
    epoch_values,
    epochs_to_target,
    final_value,
    is_accuracy,
    known_metrics,
    train_test_gap,
)
from bnexp.analysis.results import CellResult, Comparison, Difference, EpochsToTarget, Verdict
from bnexp.analysis.statistics import t_interval
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.record import STATES, RunRecord

__all__ = [
    "CellResult",
    "Comparison",
    "Difference",
    "EpochsToTarget",
    "Verdict",
    "compare_runs",
]


def compare_runs(
    records: Sequence[RunRecord],
    metric: str = "test/accuracy",
    baseline: str | None = None,
    target: float | None = None,
) -> Comparison:
    """Returns every cell's final metric over its seeds and its difference to the baseline.

    Only finished runs are averaged; the rest are counted. `baseline` defaults to the
    first cell without a norm, else the first; `target` to the baseline's mean. The
    numbers don't depend on the order of the records, that of the cells does.

    Raises:
        UsageError: There are no records, no cell is called `baseline`, no finished run
            has the metric, or the target cannot be a value of it.
    """
    if not records:
        raise UsageError("there are no runs to compare")
    cells = group_cells(records)
    reference = choose_baseline(cells, baseline)
    _check_metric(cells, metric)
    values = {cell.label: _final_values(cell, metric) for cell in cells}
    target = _choose_target(target, metric, values[reference.label])
    swept = swept_keys(records)
    differences = differences_to_baseline(cells, reference, values, metric, swept)
    results = tuple(
        _summarise(cell, values[cell.label], metric, target, differences.get(cell.label))
        for cell in cells
    )
    measured = {cell.label: cell.measured for cell in cells}
    return Comparison(
        experiment=" + ".join(dict.fromkeys(run.experiment for run in records)),
        metric=metric,
        baseline=reference.label,
        target=target,
        swept=swept,
        differing=differing_keys(cells),
        cells=results,
        warnings=(
            *describe_confounds(measured, swept),
            *describe_caveats(cells, results, reference.label, metric),
        ),
    )


def _check_metric(cells: Sequence[Cell], metric: str) -> None:
    finished = [run for cell in cells for run in cell.finished if run.summary is not None]
    known = known_metrics(finished)
    if finished and metric not in known:
        raise UsageError(
            f"--metric: no finished run has '{metric}'{did_you_mean(metric, known)}; "
            f"they have {', '.join(known)}"
        )


def _choose_target(target: float | None, metric: str, control: Mapping[int, float]) -> float | None:
    if target is None:
        return mean(control.values()) if control else None
    if not isfinite(target):
        raise UsageError(f"--target: {target} is not a number that a run could reach")
    if is_accuracy(metric) and not 0 <= target <= 1:
        raise UsageError(f"--target: an accuracy is in [0, 1], not {target:g}; for 70 % write 0.7")
    return target


def _final_values(cell: Cell, metric: str) -> dict[int, float]:
    found = {run.seed: final_value(run, metric) for run in cell.finished}
    return {seed: value for seed, value in found.items() if value is not None}


def _summarise(
    cell: Cell,
    values: Mapping[int, float],
    metric: str,
    target: float | None,
    difference: Difference | None,
) -> CellResult:
    numbers = list(values.values())
    interval = t_interval(numbers)
    speeds = [final_value(run, "images_per_second") for run in cell.finished]
    known_speeds = [speed for speed in speeds if speed is not None]
    return CellResult(
        cell=cell.label,
        settings=cell.settings,
        values=values,
        mean=mean(numbers) if numbers else None,
        std=stdev(numbers) if len(numbers) > 1 else None,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        statuses={state: sum(run.state == state for run in cell.runs) for state in STATES},
        difference=difference,
        epochs_to_target=(
            None if target is None else epochs_to_target(cell.measured, metric, target)
        ),
        train_test_gap=train_test_gap(cell.finished),
        images_per_second=median(known_speeds) if known_speeds else None,
        curves={
            run.seed: curve
            for run in cell.measured
            if run.summary is not None and (curve := epoch_values(run.summary, metric))
        },
    )
