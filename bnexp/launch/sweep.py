"""Trains what is to do of an experiment: says what, launches it, says how it ended."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console

from bnexp.config.load import Experiment
from bnexp.launch import in_process, pool
from bnexp.launch.display import describe_seconds, open_display
from bnexp.launch.events import Display
from bnexp.launch.options import LaunchOptions
from bnexp.launch.placement import choose_device, give_threads, split_threads
from bnexp.launch.plan import PlannedRun
from bnexp.launch.preparation import count_planned_steps, estimate_seconds, prepare
from bnexp.launch.stop import StopSignal
from bnexp.launch.sweep_progress import RunSize, SweepProgress
from bnexp.runs import State
from bnexp.training.device import DEFAULT_THREADS, resolve_device


def train_sweep(
    experiment: Experiment,
    planned: Sequence[PlannedRun],
    runs_dir: Path,
    options: LaunchOptions,
    console: Console,
) -> int:
    """Trains the runs that are to do and returns the exit code.

    Raises:
        UsageError: Nothing was begun, since something in it cannot work.
        DataError: A dataset is missing or damaged.
    """
    to_do = [run for run in planned if run.action != "skip"]
    jobs = options.jobs or 1
    to_do = give_threads(to_do, split_threads(jobs))
    prepare(to_do, lambda line: console.print(line, markup=False))
    for line in _announce(experiment, len(planned) - len(to_do), to_do, runs_dir, jobs):
        console.print(line, markup=False)
    progress = SweepProgress([_describe_size(run) for run in to_do], jobs)
    with StopSignal() as stop:
        with open_display(console, progress) as display:
            ended = _launch(to_do, display, stop, options)
        return _conclude(experiment.name, ended, stop, len(to_do), console)


def _launch(
    to_do: Sequence[PlannedRun], display: Display, stop: StopSignal, options: LaunchOptions
) -> Mapping[State, int]:
    jobs = options.jobs or 1
    if jobs > 1:
        return pool.run_all(to_do, display, stop, jobs, options.is_failing_fast)
    return in_process.run_all(to_do, display, stop, options.is_failing_fast)


def _describe_size(run: PlannedRun) -> RunSize:
    config = run.spec.config
    return RunSize(
        cell=run.spec.cell,
        seed=run.spec.seed,
        epochs=config.train.epochs,
        steps=count_planned_steps(run),
        batch_size=config.data.batch_size,
    )


def _announce(
    experiment: Experiment, done: int, to_do: Sequence[PlannedRun], runs_dir: Path, jobs: int
) -> list[str]:
    """Returns what will be done, in how long about, and what the threads do to the bits."""
    cells, total = len(experiment.cells), done + len(to_do)
    seconds = estimate_seconds(to_do[0])
    words = [
        f"{experiment.name}: {_count(cells, 'cell')} × {_count(total // cells, 'seed')}",
        f"{done} done",
        f"{len(to_do)} to do{_describe_begun(to_do)}",
        f"on {_describe_devices(to_do, jobs)}",
        *([_describe_jobs(to_do, jobs)] if jobs > 1 else []),
        "for a time unknown"
        if seconds is None
        else f"about {describe_seconds(max(1.0, seconds * math.ceil(len(to_do) / jobs)))}",
        f"into {runs_dir / experiment.name}",
    ]
    lines = [", ".join(words)]
    share = split_threads(jobs)
    is_cpu = resolve_device(to_do[0].spec.config.train.device).type == "cpu"
    if share and is_cpu and any(run.spec.config.train.threads is None for run in to_do):
        lines.append(
            f"--jobs {jobs} gives each run {_count(share, 'thread')} of {DEFAULT_THREADS}; another "
            "count changes the last bits of a result, so set train.threads to get the same ones "
            "under any --jobs"
        )
    kept = [run for run in to_do if run.threads and run.threads != (share or DEFAULT_THREADS)]
    if kept and is_cpu:
        counts = " or ".join(str(count) for count in sorted({run.threads or 0 for run in kept}))
        lines.append(f"{_count(len(kept), 'run')} begun with {counts} threads each: kept")
    return lines


def _describe_begun(to_do: Sequence[PlannedRun]) -> str:
    resumed = sum(run.action == "resume" for run in to_do)
    retried = sum(run.action == "retry" for run in to_do)
    words = [f"{resumed} of them from a checkpoint"] if resumed else []
    words += [f"{retried} begun before, from the start"] if retried else []
    return f" ({', '.join(words)})" if words else ""


def _describe_devices(to_do: Sequence[PlannedRun], jobs: int) -> str:
    names = dict.fromkeys(
        str(choose_device(run, slot) or resolve_device(run.spec.config.train.device))
        for run in to_do
        for slot in range(jobs if torch.cuda.is_available() else 1)
    )
    return " ".join(names)


def _describe_jobs(to_do: Sequence[PlannedRun], jobs: int) -> str:
    counts = {run.spec.config.train.threads or run.threads or DEFAULT_THREADS for run in to_do}
    least, most = min(counts), max(counts)
    threads = _count(most, "thread") if least == most else f"{least} to {most} threads"
    return f"{jobs} at a time with {threads} each"


def _conclude(
    name: str, ended: Mapping[State, int], stop: StopSignal, total: int, console: Console
) -> int:
    counts = ", ".join(f"{count} {state}" for state, count in ended.items() if count)
    console.print(f"{name}: {counts or 'no run begun'}", markup=False)
    is_failed = ended.get("failed", 0) > 0
    is_left = sum(ended.values()) < total or ended.get("interrupted", 0) > 0
    if stop.is_set() or (is_failed and is_left):
        why = "" if stop.is_set() else " after the first failure (--fail-fast)"
        console.print(f"stopped{why}; the same command goes on with the runs that are left:")
        console.print(f"  {_same_command()}", markup=False)
    return stop.exit_code or int(is_failed)


def _same_command() -> str:
    """Returns the command line to paste, without what would start the runs over."""
    return shlex.join(["bnexp", *(word for word in sys.argv[1:] if word != "--force")])


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
