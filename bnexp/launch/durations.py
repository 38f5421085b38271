"""How long runs will take, as far as earlier runs of the same cells tell; trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bnexp.config.load import Experiment
from bnexp.launch.plan import PlannedRun
from bnexp.launch.stages import choose_looks, place_of
from bnexp.runs import read_run
from bnexp.runs.environment import describe_processor
from bnexp.runs.reading import find_runs
from bnexp.wording import count, format_duration


def describe_durations(experiment: Experiment, planned: Sequence[PlannedRun]) -> list[str]:
    """Returns how long the runs that are to do will take, at the least and at the most."""
    first, *others = choose_looks(experiment)
    if not others:
        return [describe_duration(planned)]
    at_first = [run for run in planned if place_of(run) < first]
    parts = {f"first look, at {count(first, 'seed')}": at_first}
    parts[f"at most, with {count(others[-1], 'seed')}"] = [*planned]
    return [
        f"{title}: {count(len(runs), 'run')}; {describe_duration(runs)}"
        for title, runs in parts.items()
    ]


def describe_duration(planned: Sequence[PlannedRun]) -> str:
    """Returns in a sentence how long the runs that are to do will take, one after the other."""
    to_do = [run for run in planned if run.action != "skip"]
    if not to_do:
        return "nothing to do"
    cells = {run.folder.path.parent for run in to_do}
    epochs = {cell: seconds for cell in cells if (seconds := _measure_epoch(cell)) is not None}
    if len(epochs) < len(cells):
        known = f"known for {len(epochs)} of {count(len(cells), 'cell')}" if epochs else "unknown"
        return (
            f"duration {known}: no run of the cell has finished on this machine; bnexp train "
            "estimates it from a few steps"
        )
    seconds = sum(epochs[run.folder.path.parent] * run.spec.config.train.epochs for run in to_do)
    return (
        f"about {format_duration(seconds)} for {count(len(to_do), 'run')}, one after the other, "
        "as finished runs of the same cells took"
    )


def _measure_epoch(cell: Path) -> float | None:
    """Returns what an epoch took in the cell's finished runs on this machine; None without any."""
    records = [read_run(path) for path in find_runs(cell)] if cell.is_dir() else []
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
