"""The comparison in plain words: one sentence for each cell that is not the baseline."""

from __future__ import annotations

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import CellResult, Comparison, Difference
from bnexp.reports.formatting import MetricFormat, count, format_p, metric_format


def describe_cells(comparison: Comparison) -> tuple[str, ...]:
    """Returns what each cell's difference to the baseline says, with its evidence."""
    write = metric_format(comparison)
    baseline = comparison.baseline_cell
    if baseline.mean is None:
        return (_without_mean(baseline, " (the baseline)"),)
    return tuple(
        _without_mean(cell)
        if cell.difference is None
        else _with_difference(cell, cell.difference, baseline, write) + _diverged(cell)
        for cell in comparison.cells
        if cell is not baseline
    )


def _without_mean(cell: CellResult, role: str = "") -> str:
    why = f" ({cell.diverged} of {cell.runs} diverged)" if cell.diverged else ""
    return f"{cell.cell}{role} has no finished run{why}, so there is nothing to compare."


def _diverged(cell: CellResult) -> str:
    return f" {cell.diverged} of its {count(cell.runs, 'run')} diverged." if cell.diverged else ""


def _with_difference(
    cell: CellResult, difference: Difference, baseline: CellResult, write: MetricFormat
) -> str:
    names = cell.cell, baseline.cell
    seeds = _seeds(cell, difference, baseline)
    match difference.verdict:
        case "better" | "worse" | "higher" | "lower":
            evidence = _evidence(difference, seeds, write, in_size=True)
            return f"{_clear(names, difference, write)} {evidence}."
        case "no clear difference":
            shown = f"{write.difference(difference.mean, signed=True)} "
            shown += _evidence(difference, seeds, write)
            return f"{names[0]} and {names[1]} show no clear difference: {shown}."
        case "identical":
            return f"{names[0]} and {names[1]} are identical in {seeds}."
        case "confounded":
            keys = ", ".join(difference.confounds)
            evidence = _evidence(difference, seeds, write, in_size=True)
            return (
                f"{_position(names, difference, write)} {evidence}, but they also differ in "
                f"{keys}: no causal verdict."
            )
        case "not tested":
            return f"{_position(names, difference, write)} ({seeds}): {_why_untested(difference)}."


def _clear(names: tuple[str, str], difference: Difference, write: MetricFormat) -> str:
    size = write.difference(abs(difference.mean))
    side = "higher" if difference.mean > 0 else "lower"
    if is_accuracy(write.metric):
        return f"{names[0]} is {difference.verdict} than {names[1]} by {size}"
    if difference.verdict in ("higher", "lower"):
        return f"{names[0]} is {side} than {names[1]} in {write.metric} by {size}"
    return f"{names[0]} is {difference.verdict} than {names[1]}: {write.metric} is {side} by {size}"


def _position(names: tuple[str, str], difference: Difference, write: MetricFormat) -> str:
    if difference.mean == 0:
        return f"{names[0]} equals {names[1]}"
    side = "above" if difference.mean > 0 else "below"
    return f"{names[0]} is {write.difference(abs(difference.mean))} {side} {names[1]}"


def _evidence(
    difference: Difference, seeds: str, write: MetricFormat, in_size: bool = False
) -> str:
    """Returns interval, p and n; `in_size` counts the interval in the mean's direction."""
    parts = [seeds]
    if difference.p_holm is not None:
        p = format_p(difference.p_holm)
        parts.insert(0, f"p {p}" if p.startswith("<") else f"p = {p}")
    if difference.ci_low is not None and difference.ci_high is not None:
        bounds = (difference.ci_low, difference.ci_high)
        if in_size and difference.mean < 0:
            bounds = (-difference.ci_high, -difference.ci_low)
        low, high = (write.number(bound) for bound in bounds)
        parts.insert(0, f"95 % interval {low} to {high}")
    return f"({', '.join(parts)})"


def _seeds(cell: CellResult, difference: Difference, baseline: CellResult) -> str:
    if difference.is_paired:
        return count(difference.n, "paired seed")
    return f"{cell.n} against {count(baseline.n, 'seed')}, not paired"


def _why_untested(difference: Difference) -> str:
    if difference.is_paired and difference.n > 1:
        return "the same in every seed, so there is no spread to test it by"
    return "too little for an interval or a test"
