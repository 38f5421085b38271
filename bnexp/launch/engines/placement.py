"""On how many CPU threads, and on which CUDA device, each of several runs at a time trains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from bnexp.launch.plan import PlannedRun
from bnexp.launch.run.resume import find_resume_point
from bnexp.launch.screen.events import say_nothing
from bnexp.runs import read_run
from bnexp.runs.reading import find_every_run
from bnexp.training.machine.device import DEFAULT_THREADS, resolve_device


def split_threads(jobs: int) -> int | None:
    """Returns how many threads each of `jobs` runs at a time gets; None for PyTorch's choice.

    It depends on `jobs` and the machine alone, not on how many runs are left: the count changes
    the last bits of a result. If OMP_NUM_THREADS is set, it decides.
    """
    if jobs == 1 or is_count_set():
        return None
    return max(1, DEFAULT_THREADS // jobs)


def is_count_set() -> bool:
    """Returns whether the user has set the thread count of all programs."""
    return "OMP_NUM_THREADS" in os.environ


def give_threads(runs: Sequence[PlannedRun], share: int | None) -> list[PlannedRun]:
    """Returns the runs with their thread counts, if their configs name none.

    A run that continues, or goes on from a shorter one, keeps the count that this began with, so
    that it ends with the bits of a run that never stopped; the others get `share`.

    Raises:
        UsageError: A folder holds checkpoints of another run.
    """
    return [replace(run, threads=_find_begun_threads(run) or share) for run in runs]


def find_experiment_threads(runs: Sequence[PlannedRun]) -> int | None:
    """Returns on how many threads the experiment's earlier runs, or those extended, trained.

    None if there are none, if they did not train on the CPU, or if OMP_NUM_THREADS is set.

    Raises:
        UsageError: A folder holds checkpoints of another run.
    """
    if is_count_set() or any(run.is_forced for run in runs):
        return None
    folder = runs[0].folder
    for path in find_every_run(folder.runs_dir / folder.identity["experiment"]):
        environment = read_run(path).environment
        threads = environment.get("threads")
        if environment.get("device.type") == "cpu" and isinstance(threads, int):
            return threads
    return next(filter(None, map(_find_begun_threads, runs)), None)


def choose_device(run: PlannedRun, slot: int) -> str | None:
    """Returns the CUDA device of the `slot`-th of several runs at a time, in turn.

    None if the config names one itself, or needs none.
    """
    device = resolve_device(run.spec.config.train.device)
    if device.type != "cuda" or device.index is not None:
        return None
    return f"cuda:{slot % torch.cuda.device_count()}"


def _find_begun_threads(run: PlannedRun) -> int | None:
    is_free = run.spec.config.train.threads is None and not is_count_set()
    if run.action not in ("resume", "extend") or not is_free:
        return None
    # Whether the other conditions fit is checked later.
    point = find_resume_point(replace(run, may_differ=True), {}, say_nothing)
    threads = point.metadata.conditions.get("threads") if point else None
    return threads if isinstance(threads, int) else None
