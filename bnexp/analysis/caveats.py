"""What a reader must know about the runs behind a comparison before trusting its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bnexp.analysis.cells import Cell
from bnexp.analysis.metrics import final_value, is_accuracy
from bnexp.analysis.results import CellResult
from bnexp.runs.record import RunRecord, State

_UNFINISHED: dict[State, tuple[str, str]] = {
    "running": ("is still running", "are still running"),
    "interrupted": ("was interrupted", "were interrupted"),
    "failed": ("failed", "failed"),
    "pending": ("has not started", "have not started"),
}
_MOST_NAMED = 6


def describe_caveats(
    cells: Sequence[Cell], results: Sequence[CellResult], baseline: str, metric: str
) -> tuple[str, ...]:
    """Returns the warnings about missing, unfinished, diverged, unpaired and damaged runs."""
    return (
        *_no_result(cells, results),
        *_missing_metric(cells, metric),
        *_diverged(results),
        *_unfinished(cells),
        *_ended_without_trace(cells),
        *_few_seeds(results),
        *_unpaired(results, baseline),
        *_copied(cells),
        *_damaged(cells),
    )


def _no_result(cells: Sequence[Cell], results: Sequence[CellResult]) -> Iterable[str]:
    if any(cell.n for cell in results):
        return
    if all(cell.diverged == cell.runs for cell in results):
        steps = [run.summary.steps for cell in cells for run in cell.runs if run.summary]
        yield (
            f"every run diverged, {_span(steps)}, so there is nothing to compare; try a smaller "
            "optim.learning_rate, a longer optim.schedule.warmup_epochs, or a norm"
        )
    else:
        yield "no run has finished: there is nothing to compare yet"


def _span(steps: Sequence[int]) -> str:
    first, last = min(steps), max(steps)
    return f"at step {first:,}" if first == last else f"at steps {first:,} to {last:,}"


def _missing_metric(cells: Iterable[Cell], metric: str) -> Iterable[str]:
    missing = [
        (cell, run) for cell in cells for run in cell.finished if final_value(run, metric) is None
    ]
    if missing:
        wanted = f"{metric} in [0, 1]" if is_accuracy(metric) else f"finite {metric}"
        yield f"finished without a {wanted}, so not counted: {_name(missing)}"


def _diverged(results: Iterable[CellResult]) -> Iterable[str]:
    for cell in results:
        if cell.diverged:
            runs = f"{cell.runs} run{'s' * (cell.runs > 1)}"
            rest = f"its figures are of the other {cell.n}" if cell.n else "it has no mean"
            yield f"{cell.cell}: {cell.diverged} of {runs} diverged; {rest}"


def _unfinished(cells: Sequence[Cell]) -> Iterable[str]:
    for state, (one, many) in _UNFINISHED.items():
        found = _choose(cells, lambda run: not (run.is_silent or run.is_damaged))
        runs = [(cell, run) for cell, run in found if run.state == state]
        if runs:
            count = f"1 run {one}" if len(runs) == 1 else f"{len(runs)} runs {many}"
            yield f"{count}: {_name(runs)}"


def _ended_without_trace(cells: Sequence[Cell]) -> Iterable[str]:
    """Yields what became of the runs whose state says less than is known of them."""
    silent = _choose(cells, lambda run: run.is_silent)
    if silent:
        count = "1 run is" if len(silent) == 1 else f"{len(silent)} runs are"
        yield (
            f"{count} said to be running, but nobody trains them any more (they were cut off): "
            f"{_name(silent)}; the same bnexp train command goes on with them"
        )
    damaged = _choose(cells, lambda run: run.is_damaged)
    if damaged:
        count = "1 run" if len(damaged) == 1 else f"{len(damaged)} runs"
        yield (
            f"{count} ended, but the record is damaged, so not counted: {_name(damaged)}; remove "
            f"what is damaged (bnexp rm {damaged[0][1].path}), then give the same bnexp train "
            "command again"
        )


def _choose(
    cells: Iterable[Cell], is_wanted: Callable[[RunRecord], bool]
) -> list[tuple[Cell, RunRecord]]:
    return [(cell, run) for cell in cells for run in cell.runs if is_wanted(run)]


def _few_seeds(results: Sequence[CellResult]) -> Iterable[str]:
    most = max(cell.n for cell in results)
    single = [cell.cell for cell in results if cell.n == 1]
    fewer = [f"{cell.cell} ({cell.n})" for cell in results if 1 < cell.n < most]
    if single:
        yield f"one finished run only, so no interval and no test: {', '.join(single)}"
    if fewer:
        yield f"fewer finished seeds than the other cells' {most}: {', '.join(fewer)}"


def _unpaired(results: Sequence[CellResult], baseline: str) -> Iterable[str]:
    partners = next(cell.values.keys() for cell in results if cell.cell == baseline)
    compared = [(cell, cell.difference) for cell in results if cell.difference is not None]
    apart = [cell.cell for cell, difference in compared if not difference.is_paired]
    lonely = [
        f"{cell.cell} ({', '.join(map(str, sorted(cell.values.keys() ^ partners)))})"
        for cell, difference in compared
        if difference.is_paired and cell.values.keys() != partners
    ]
    if apart:
        yield (
            f"fewer than two seeds in common with {baseline}, so not compared in pairs: "
            f"{', '.join(apart)}"
        )
    if lonely:
        yield (
            f"seeds that {baseline} or the other cell lacks are left out of the difference: "
            f"{', '.join(lonely)}"
        )


def _copied(cells: Iterable[Cell]) -> Iterable[str]:
    """Yields the seeds that a cell has twice, and the folders that hold another experiment."""
    renamed: dict[tuple[str, str], int] = {}
    for cell in cells:
        folders: dict[int, list[str]] = {}
        for run in cell.runs:
            folders.setdefault(run.seed, []).append(str(run.path))
            names = run.path.parent.parent.name, run.experiment
            renamed[names] = renamed.get(names, 0) + 1
        for seed, paths in folders.items():
            if len(paths) > 1:
                named = ", ".join(paths)
                yield f"{cell.label}: of {len(paths)} runs of seed {seed} one counts: {named}"
    for (folder, name), number in renamed.items():
        if folder not in ("", "..", name):  # a relative path may not tell
            runs = "1 run" if number == 1 else f"{number} runs"
            yield f"the folder '{folder}' holds {runs} of '{name}': was it copied or renamed?"


def _damaged(cells: Iterable[Cell]) -> Iterable[str]:
    for cell in cells:
        for run in cell.runs:
            yield from (f"{cell.label}, seed {run.seed}: {problem}" for problem in run.problems)


def _name(runs: Sequence[tuple[Cell, RunRecord]]) -> str:
    names = [f"{cell.label} seed {run.seed}" for cell, run in runs]
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
