"""Figures of diagnostics: which tags a metric means, and one figure out of several layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan
from statistics import fmean, median

from bnexp.analysis.cells import group_cells
from bnexp.analysis.results import Caveat, Comparison, Question
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.measured.diagnostic_tags import (
    DIAGNOSTICS,
    WHOLE,
    LayerReduction,
    find_tags,
    has_pattern,
    is_diagnostic,
    split_diagnostic,
)
from bnexp.runs.record import RunRecord, Series
from bnexp.wording import count

REDUCTIONS: Mapping[LayerReduction, Callable[[Iterable[float]], float]] = {
    "median": median,
    "mean": fmean,
    "min": min,
    "max": max,
}
"""How the figures of several layers become one."""

MOST_CELLS = 8
"""Cells whose diagnostics are shown: the baseline and the first others."""

_MOST_LISTED = 12
"""Layers and diagnostics that a message lists."""


def final_figure(run: RunRecord, metric: str, layers: LayerReduction | None) -> float | None:
    """Returns what was measured last, or None if one of the layers has no such value."""
    series = _find_series(run, metric, layers)
    return _reduce([one.values[-1] for one in series], layers)


def epoch_figures(run: RunRecord, metric: str, layers: LayerReduction | None) -> tuple[float, ...]:
    """Returns the mean of what was measured in each epoch; NaN if a layer has no such value."""
    series = _find_series(run, metric, layers)
    epochs = run.summary.epochs if run.summary else 0
    means = [mean_by_epoch(one, epochs) for one in series]
    found = (_reduce(values, layers) for values in zip(*means, strict=True))
    return tuple(nan if value is None else value for value in found)


def step_figures(run: RunRecord, tags: Sequence[str], layers: LayerReduction | None) -> Series:
    """Returns a diagnostic at each step at which all of its layers have a finite value.

    Of two tags it is the difference.
    """
    found = [_by_step(_find_series(run, tag, layers), layers) for tag in tags]
    steps = [step for step in found[0] if all(step in one for one in found)]
    epochs, values = zip(*(found[0][step] for step in steps), strict=True) if steps else ((), ())
    if len(found) > 1:
        values = tuple(value - found[1][step][1] for step, value in zip(steps, values, strict=True))
    return Series(tuple(steps), tuple(epochs), tuple(values))


def _by_step(
    series: Sequence[Series], layers: LayerReduction | None
) -> dict[int, tuple[int, float]]:
    """Returns epoch and value by step."""
    rows: dict[int, list[tuple[int, float]]] = {}
    for one in series:
        for step, epoch, value in zip(one.steps, one.epochs, one.values, strict=True):
            rows.setdefault(step, []).append((epoch, value))
    found = {}
    for step, row in sorted(rows.items()):
        figure = _reduce([value for _, value in row], layers)
        if figure is not None and len(row) == len(series):
            found[step] = (row[0][0], figure)
    return found


def mean_by_epoch(series: Series, epochs: int) -> tuple[float, ...]:
    """Returns the mean of the values of each epoch; NaN if there is none, or one is not finite."""
    values: list[list[float]] = [[] for _ in range(epochs)]
    for epoch, value in zip(series.epochs, series.values, strict=True):
        if 1 <= epoch <= epochs:
            values[epoch - 1].append(value)
    return tuple(fmean(one) if one else nan for one in values)


def _find_series(run: RunRecord, metric: str, layers: LayerReduction | None) -> list[Series]:
    return [run.diagnostics[tag] for tag in find_tags(run.diagnostics, metric, layers)]


def _reduce(values: Sequence[float], layers: LayerReduction | None) -> float | None:
    if not (values and all(map(isfinite, values))):
        return None
    return REDUCTIONS[layers](values) if layers else values[0]


def measure_diagnostic(records: Sequence[RunRecord], question: Question) -> tuple[RunRecord, ...]:
    """Returns the runs with the diagnostic that is asked for among the figures of their summaries.

    Raises:
        UsageError: No run measured it, or it has several layers and the question does not say how
            to reduce them.
    """
    ended = [run for run in records if run.summary]
    if ended:
        _check(question, merge_orders(run.diagnostics for run in ended))
    return tuple(_with_figure(run, question) for run in records)


def merge_orders(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Returns every name once, in an order that goes with that of each list, as far as possible.

    So a layer that only some networks have stands where these have it.
    """
    merged: list[str] = []
    for names in dict.fromkeys(map(tuple, lists)):
        place = 0
        for name in names:
            if name in merged:
                place = max(place, merged.index(name) + 1)
            else:
                merged.insert(place, name)
                place += 1
    return tuple(merged)


def _with_figure(run: RunRecord, question: Question) -> RunRecord:
    if run.summary is None:
        return run
    final = final_figure(run, question.metric, question.layers)
    history = epoch_figures(run, question.metric, question.layers)
    if final is None and not any(map(isfinite, history)):
        return run
    finals = dict(run.summary.final)
    if final is not None and run.state == "finished":
        finals[question.tag] = final
    histories = {**run.summary.history, question.tag: history}
    summary = replace(run.summary, final=finals, history=histories)
    return replace(run, summary=summary)


def _check(question: Question, known: Sequence[str]) -> None:
    name, layer = split_diagnostic(question.metric)
    names = list(dict.fromkeys(split_diagnostic(tag)[0] for tag in known))
    if not names:
        raise UsageError(
            f"--metric: no run measured '{question.metric}', nor any other diagnostic; list what "
            "to measure under `diagnostics:`, and train again"
        )
    if name not in names:
        raise UsageError(
            f"--metric: no run has the diagnostic '{name}'{did_you_mean(name, names)}; they have "
            f"{_list(names)}"
        )
    if find_tags(known, question.metric, question.layers):
        return
    own = [
        found for tag in known for quantity, found in [split_diagnostic(tag)] if quantity == name
    ]
    layers = [one for one in own if one != WHOLE]
    if question.layers is None and (layer in ("", WHOLE) or has_pattern(question.metric)):
        raise UsageError(
            f"--metric: {DIAGNOSTICS}{name} is {count(len(layers), 'figure')}, one per layer; "
            f"name a layer ({_list(layers)}), or give --layers {'|'.join(REDUCTIONS)}"
        )
    raise UsageError(
        f"--metric: {DIAGNOSTICS}{name} has no layer '{layer}'{did_you_mean(layer, layers)}; "
        f"it has {_list(own)}"
    )


def _list(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join([*names[:_MOST_LISTED], *([f"{rest} more"] if rest > 0 else [])])


def find_layer_caveats(
    groups: Mapping[str, Sequence[RunRecord]], metric: str, layers: LayerReduction | None
) -> Iterator[Caveat]:
    """Yields that groups of runs differ in the layers that a figure of several layers stands for.

    `groups` are the runs by what they are called: the name of their cell, or of their side.
    """
    if layers is None or not is_diagnostic(metric):
        return
    found = {
        name: {
            frozenset(find_tags(run.diagnostics, metric, layers)) for run in runs if run.diagnostics
        }
        for name, runs in groups.items()
    }
    if len({tags for own in found.values() for tags in own}) > 1:
        details = tuple(
            f"{name} {count(len(max(own, key=len)), 'layer')}" for name, own in found.items() if own
        )
        yield Caveat(
            "other layers",
            f"the {layers} is not over the same layers everywhere",
            details,
            f"a pattern that fits the same ones, e.g. {DIAGNOSTICS}gradient_norm/*.conv, compares "
            "like with like",
        )


def choose_shown(comparison: Comparison) -> set[str]:
    """Returns the cells whose insides are shown: the baseline and the first others."""
    others = [cell.cell for cell in comparison.cells if cell.cell != comparison.baseline]
    return {comparison.baseline, *others[: MOST_CELLS - 1]}


def show_diagnostics(
    comparison: Comparison,
    records: Sequence[RunRecord],
    read: Callable[[RunRecord], RunRecord],
) -> Comparison:
    """Returns the comparison with what diagnostics measured, for its figures.

    `records` are those that it compares; `read` adds to a run what its diagnostics measured. Only
    the runs of the first `MOST_CELLS` cells are read. A damaged run is left out, and a caveat
    names it.
    """
    shown = choose_shown(comparison)
    runs: dict[str, list[RunRecord]] = {}
    caveats: list[Caveat] = []
    for cell in group_cells(records):
        if cell.label in shown:
            read_runs = [read(run) for run in cell.finished or cell.measured]
            runs[cell.label] = [run for run in read_runs if not run.is_damaged]
            caveats += [
                Caveat(
                    "damaged",
                    f"{cell.label}, seed {run.seed}",
                    run.problems,
                    "it is left out of the figures of diagnostics",
                )
                for run in read_runs
                if run.is_damaged
            ]
    cells = tuple(
        replace(cell, diagnostics=_by_tag(runs.get(cell.cell, ()))) for cell in comparison.cells
    )
    return replace(comparison, cells=cells, caveats=(*comparison.caveats, *caveats))


def _by_tag(runs: Iterable[RunRecord]) -> dict[str, dict[int, Series]]:
    found: dict[str, dict[int, Series]] = {}
    for run in runs:
        for tag, series in run.diagnostics.items():
            found.setdefault(tag, {})[run.seed] = series
    return found
