"""What a reader must know about the runs behind a comparison before trusting its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bnexp.analysis.cells import Cell
from bnexp.analysis.metrics import final_value
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
        *_no_result(results),
        *_missing_metric(cells, metric),
        *_diverged(results),
        *_unfinished(cells),
        *_few_seeds(results),
        *_unpaired(results, baseline),
        *_damaged(cells),
    )


def _no_result(results: Sequence[CellResult]) -> Iterable[str]:
    if any(cell.n for cell in results):
        return
    if all(cell.diverged == cell.runs for cell in results):
        yield "every run diverged: there is nothing to compare"
    else:
        yield "no run has finished: there is nothing to compare yet"


def _missing_metric(cells: Iterable[Cell], metric: str) -> Iterable[str]:
    missing = [
        (cell, run) for cell in cells for run in cell.finished if final_value(run, metric) is None
    ]
    if missing:
        yield f"finished without a finite {metric}, so not counted: {_name(missing)}"


def _diverged(results: Iterable[CellResult]) -> Iterable[str]:
    for cell in results:
        if cell.diverged:
            runs = f"{cell.runs} run{'s' * (cell.runs > 1)}"
            rest = f"its figures are of the other {cell.n}" if cell.n else "it has no mean"
            yield f"{cell.cell}: {cell.diverged} of {runs} diverged; {rest}"


def _unfinished(cells: Sequence[Cell]) -> Iterable[str]:
    for state, (one, many) in _UNFINISHED.items():
        runs = [(cell, run) for cell in cells for run in cell.runs if run.state == state]
        if runs:
            count = f"1 run {one}" if len(runs) == 1 else f"{len(runs)} runs {many}"
            yield f"{count}: {_name(runs)}"


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


def _damaged(cells: Iterable[Cell]) -> Iterable[str]:
    for cell in cells:
        for run in cell.runs:
            yield from (f"{cell.label}, seed {run.seed}: {problem}" for problem in run.problems)


def _name(runs: Sequence[tuple[Cell, RunRecord]]) -> str:
    names = [f"{cell.label} seed {run.seed}" for cell, run in runs]
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
