"""How long runs will take, as far as earlier runs of the same cells tell; trains nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bnexp.launch.plan import PlannedRun
from bnexp.launch.stages.stages import Plan, choose_looks, place_of
from bnexp.runs import read_run
from bnexp.runs.environment import describe_processor
from bnexp.runs.reading import find_runs
from bnexp.wording import count, format_duration


def describe_durations(plan: Plan) -> list[str]:
    """Returns how long the runs that are to do will take: the tuning, then at least and at most."""
    first, *others = choose_looks(plan.experiment)
    parts: dict[str, Sequence[PlannedRun]] = {"tuning": plan.tuning} if plan.tuning else {}
    if others:
        parts[f"first look, at {count(first, 'seed')}"] = [
            r for r in plan.runs if place_of(r) < first
        ]
        parts[f"at most, with {count(others[-1], 'seed')}"] = plan.runs
    elif parts:
        parts["measured"] = plan.runs
    else:
        return [describe_duration(plan.runs)]
    durations = [describe_duration(runs, plan.tuning) for runs in parts.values()]
    counts = [f"{title}: {count(len(runs), 'run')}" for title, runs in parts.items()]
    if len(set(durations)) == 1:  # of none of them anything is known, or nothing is left to do
        return [*counts, durations[0]]
    return [f"{one}; {duration}" for one, duration in zip(counts, durations, strict=True)]


def describe_duration(planned: Sequence[PlannedRun], tuning: Sequence[PlannedRun] = ()) -> str:
    """Returns in a sentence how long the runs that are to do will take, one after the other.

    A run takes what finished runs of its cell took, or those that tuned it, among `tuning`.
    """
    to_do = [run for run in planned if run.action != "skip"]
    if not to_do:
        return "nothing to do"
    cells: dict[str, set[Path]] = {_cell_of(run): set() for run in to_do}
    for run in (*to_do, *tuning):
        if _cell_of(run) in cells:
            cells[_cell_of(run)] |= {run.folder.path.parent, run.start.path.parent}
    measured = {cell: _measure_epoch(folders) for cell, folders in cells.items()}
    epochs = {cell: seconds for cell, seconds in measured.items() if seconds is not None}
    if len(epochs) < len(cells):
        known = f"known for {len(epochs)} of {count(len(cells), 'cell')}" if epochs else "unknown"
        return (
            f"duration {known}: no run of the cell has finished on this machine; bnexp train "
            "estimates it from a few steps"
        )
    seconds = sum(epochs[_cell_of(run)] * run.epochs_left for run in to_do)
    return (
        f"about {format_duration(seconds)} for {count(len(to_do), 'run')}, one after the other, "
        "as finished runs of the same cells took"
    )


def _cell_of(run: PlannedRun) -> str:
    return run.spec.tunes or run.spec.cell


def _measure_epoch(cells: Iterable[Path]) -> float | None:
    """Returns what an epoch took in the finished runs of these folders on this machine."""
    records = [read_run(path) for cell in cells if cell.is_dir() for path in find_runs(cell)]
    processor = describe_processor()
    seconds = [
        run.summary.elapsed_seconds / run.summary.epochs
        for run in records
        if run.state == "finished"
        and run.summary is not None
        and run.summary.epochs
        and run.environment.get("processor") == processor
    ]
    return median(seconds) if seconds else None
