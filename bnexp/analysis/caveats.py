"""What a reader must know about the runs behind a comparison before trusting its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bnexp.analysis.cells import Cell
from bnexp.analysis.metrics import final_value, is_accuracy
from bnexp.analysis.results import Caveat, CellResult
from bnexp.runs.record import RunRecord
from bnexp.wording import count

_UNFINISHED: Mapping[str, tuple[str, str]] = {
    "running": ("is still running", "are still running"),
    "interrupted": ("was interrupted", "were interrupted"),
    "failed": ("failed", "failed"),
    "pending": ("has not started", "have not started"),
    "dead": ("marked as running has died", "marked as running have died"),
    "damaged": ("left out, because the record is damaged",) * 2,
}
"""What has become of one run, and of several, that have no result."""

_REMEDIES = {
    "dead": "the same bnexp train command continues what was cut off",
    "damaged": "delete what is damaged (bnexp rm {path}), then repeat the bnexp train command",
}
_MOST_NAMED = 6


def find_caveats(
    cells: Sequence[Cell], results: Sequence[CellResult], baseline: str, metric: str
) -> tuple[Caveat, ...]:
    """Returns what is wrong with missing, unfinished, diverged, unpaired and damaged runs."""
    return (
        *_no_result(cells, results),
        *_missing_metric(cells, metric),
        *_diverged(results),
        *_unfinished(cells),
        *_few_seeds(results),
        *_unpaired(results, baseline),
        *_copied(cells),
        *_damaged(cells),
        *_doubtful(cells),
    )


def _no_result(cells: Sequence[Cell], results: Sequence[CellResult]) -> Iterable[Caveat]:
    if any(cell.n for cell in results):
        return
    if any(cell.diverged != cell.runs for cell in results):
        yield Caveat("no result", "no run has finished: there is nothing to compare yet")
        return
    steps = [run.summary.steps for cell in cells for run in cell.runs if run.summary]
    first, last = min(steps), max(steps)
    span = f"at step {first:,}" if first == last else f"at steps {first:,} to {last:,}"
    yield Caveat(
        "no result",
        f"every run diverged, {span}, so there is nothing to compare",
        consequence="try a smaller optim.learning_rate, a longer optim.schedule.warmup_epochs, "
        "or a norm",
    )


def _missing_metric(cells: Iterable[Cell], metric: str) -> Iterable[Caveat]:
    missing = [
        (cell, run) for cell in cells for run in cell.finished if final_value(run, metric) is None
    ]
    if missing:
        wanted = f"{metric} in [0, 1]" if is_accuracy(metric) else f"finite {metric}"
        subject = f"runs without a {wanted} do not count"
        yield Caveat("no figure", subject, _names(missing))


def _diverged(results: Iterable[CellResult]) -> Iterable[Caveat]:
    for cell in results:
        if cell.diverged:
            rest = f"its figures cover the other {cell.n}" if cell.n else "it has no mean"
            found = f"{cell.diverged} of {count(cell.runs, 'run')} diverged; {rest}"
            yield Caveat("diverged", cell.cell, (found,))


def _unfinished(cells: Sequence[Cell]) -> Iterable[Caveat]:
    found: dict[str, list[tuple[Cell, RunRecord]]] = {}
    for cell in cells:
        for run in cell.runs:
            found.setdefault(_condition(run), []).append((cell, run))
    for condition, (one, many) in _UNFINISHED.items():
        if runs := found.get(condition):
            yield Caveat(
                "damaged" if condition == "damaged" else "unfinished",
                f"{count(len(runs), 'run')} {one if len(runs) == 1 else many}",
                _names(runs),
                _REMEDIES.get(condition, "").format(path=runs[0][1].path),
            )


def _condition(run: RunRecord) -> str:
    """Returns the state, or what is known beyond it of a run that ended without a trace."""
    return "damaged" if run.is_damaged else "dead" if run.is_silent else run.state


def _few_seeds(results: Sequence[CellResult]) -> Iterable[Caveat]:
    most = max(cell.n for cell in results)
    single = tuple(cell.cell for cell in results if cell.n == 1)
    fewer = tuple(f"{cell.cell} ({cell.n})" for cell in results if 1 < cell.n < most)
    if single:
        yield Caveat("few seeds", "only one finished run, so no interval and no test", single)
    if fewer:
        yield Caveat("few seeds", f"fewer finished seeds than the other cells' {most}", fewer)


def _unpaired(results: Sequence[CellResult], baseline: str) -> Iterable[Caveat]:
    partners = next(cell.values.keys() for cell in results if cell.cell == baseline)
    compared = [(cell, cell.difference) for cell in results if cell.difference is not None]
    apart = tuple(cell.cell for cell, difference in compared if not difference.is_paired)
    lonely = tuple(
        f"{cell.cell} (seed {', '.join(map(str, sorted(cell.values.keys() ^ partners)))})"
        for cell, difference in compared
        if difference.is_paired and cell.values.keys() != partners
    )
    if apart:
        subject = f"fewer than two seeds in common with {baseline}, so not compared in pairs"
        yield Caveat("unpaired", subject, apart)
    if lonely:
        subject = (
            f"the difference leaves out seeds that only {baseline} or only the cell has finished"
        )
        yield Caveat("unpaired", subject, lonely)


def _copied(cells: Iterable[Cell]) -> Iterable[Caveat]:
    """Yields the seeds that a cell has twice, and the folders that hold another experiment."""
    renamed: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        seeds: dict[int, list[RunRecord]] = {}
        for run in cell.runs:
            seeds.setdefault(run.seed, []).append(run)
            renamed[run.experiment_folder.name, run.experiment] += 1
        for seed, runs in seeds.items():
            if len(runs) > 1:
                subject = f"{cell.label}: of {len(runs)} runs of seed {seed} one counts"
                yield Caveat("copied", subject, tuple(str(run.path) for run in runs))
    for (folder, name), number in renamed.items():
        if folder not in ("", "..", name.rpartition("/")[2]):  # a relative path may not say
            subject = f"the folder '{folder}' holds {count(number, 'run')} of '{name}'"
            yield Caveat("copied", subject, consequence="was it copied or renamed?")


def _damaged(cells: Iterable[Cell]) -> Iterable[Caveat]:
    for cell in cells:
        for run in cell.runs:
            if run.problems:
                yield Caveat("damaged", f"{cell.label}, seed {run.seed}", run.problems)


def _doubtful(cells: Iterable[Cell]) -> Iterable[Caveat]:
    found: dict[str, list[str]] = {}
    for cell in cells:
        for run in cell.runs:
            for doubt in run.doubts:
                found.setdefault(doubt, []).append(f"{cell.label}, seed {run.seed}")
    for doubt, names in found.items():
        yield Caveat("damaged", names[0] if len(names) == 1 else f"{len(names)} runs", (doubt,))


def _names(runs: Sequence[tuple[Cell, RunRecord]]) -> tuple[str, ...]:
    names = [f"{cell.label} seed {run.seed}" for cell, run in runs]
    rest = len(names) - _MOST_NAMED
    return (*names[:_MOST_NAMED], *([f"{rest} more"] if rest > 0 else ()))
