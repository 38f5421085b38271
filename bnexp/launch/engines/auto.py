"""`--jobs auto`: how many runs train at a time, and on how many CPU threads each.

The thread count decides the last bits of results. So it stays what the experiment's earlier runs
had; for a new experiment, steps of its first run are timed under each split of the cores, and what
they took is kept in the user's cache folder, so that the same command makes the same choice again.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import BaseModel, Field

from bnexp.data.dataset import data_home
from bnexp.files import encode_json, read_foreign, write_bytes_atomically
from bnexp.launch.engines.placement import is_count_set
from bnexp.launch.pace import Pace, count_rooms
from bnexp.launch.plan import PlannedRun
from bnexp.runs.environment import describe_processor, find_version
from bnexp.system import count_usable_cores, read_cpu_limit
from bnexp.training.machine.device import DEFAULT_THREADS, resolve_device
from bnexp.wording import count

WORTH_SECONDS = 20.0
"""A new experiment that takes less is not worth more processes than one, nor finding out."""
LONGEST_TRIAL = 3.0
"""Seconds that the steps of all splits are timed at most."""
TRIED_SHARE = 0.04
"""Of what a new experiment takes, if that is less."""
MOST_RUNS_PER_GPU = 8
TIE = 1.05
"""A split that takes at most this many times as long as the fastest counts as equally fast."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Split(NamedTuple):
    """So many runs at a time, each with so many CPU threads."""

    jobs: int
    threads: int

    def describe(self) -> str:
        """Returns `2 runs at a time with 1 thread each`."""
        threads = count(self.threads, "thread")
        if self.jobs == 1:
            return f"one run at a time with {threads}"
        return f"{self.jobs} runs at a time with {threads} each"


@dataclass(frozen=True)
class Choice:
    """How many runs train at a time."""

    jobs: int
    threads: int | None
    """Of each run whose config names no number; None means PyTorch's choice."""
    reason: str | None = None
    """What was chosen and why, in a sentence, if there was a choice."""
    slowdown: float = 1.0
    """How many times as long a step takes as in a run that has all cores."""


def choose_jobs(
    runs: Sequence[PlannedRun],
    now: int,
    kept: int | None,
    measure: Callable[[PlannedRun], Pace | None],
    time_steps: Callable[[PlannedRun, Sequence[Split], float], Mapping[Split, float]],
) -> Choice:
    """Returns how many of the first `now` runs train at a time, which have `kept` threads if any.

    `measure` returns the pace of a run, and `time_steps` what its steps take under each split,
    found in about the seconds that it is given.
    """
    run, alone = runs[0], Choice(1, kept)
    fixed = kept or max(one.spec.config.train.threads or 0 for one in runs)
    fixed = fixed or (DEFAULT_THREADS if is_count_set() else 0)
    cores = count_cores() if fixed else min(count_cores(), DEFAULT_THREADS)
    wanted = min(now, _count_places(run, cores, fixed))
    if wanted < 2 or (pace := measure(run)) is None:
        return alone
    memory = _Memory(run, fixed)
    known = memory.read() or memory.write(_Known(step=pace.step_seconds))
    seconds = known.step * pace.steps_per_epoch * run.epochs_left * len(runs)
    # What earlier runs began with leaves cores idle if one run trains at a time, however short.
    if seconds < WORTH_SECONDS and not kept:
        return alone
    rooms = count_rooms(pace, run.spec.config.train.device)
    jobs = min(wanted, rooms)
    why = f"; the free memory holds {count(rooms, 'run')}" if jobs < wanted else ""
    if jobs == 1:
        return Choice(1, kept, f"one run at a time{why}")
    if fixed and _is_cpu(run):
        return Choice(jobs, kept, f"{Split(jobs, fixed).describe()} on {cores} cores{why}")
    splits = list_splits(jobs, cores, fixed)
    if times := known.look_up(splits):
        when = "as tried before on this machine"
    else:
        whole = min(LONGEST_TRIAL, TRIED_SHARE * seconds)
        times, when = time_steps(run, splits, whole), "as a few steps showed just now"
        if not times:
            return Choice(1, kept, "one run at a time, since more could not be tried")
        memory.write(_Known(step=known.step, splits=[(*one, times[one]) for one in splits]))
    # With fewer threads they wait less for each other; with fewer runs, a GPU holds larger ones.
    preferred = sorted(splits, reverse=_is_cpu(run))
    best = choose_split({one: times[one] for one in preferred}, now)
    other = splits[0] if best.jobs > 1 else splits[-1]
    ratio = _count_seconds(times[other], other, now) / _count_seconds(times[best], best, now)
    reason = f"{best.describe()}, {ratio:.1f} times as fast as {other.describe()}, {when}{why}"
    return Choice(*best, reason, times[best] / times[splits[0]])


def list_splits(most_jobs: int, cores: int, fixed: int = 0) -> list[Split]:
    """Returns the splits to compare: one run at a time, two, four, …, and as many as possible.

    Each run has its share of the cores, or the `fixed` number of threads.
    """
    powers = [2**power for power in range(most_jobs.bit_length()) if 2**power < most_jobs]
    return [Split(jobs, fixed or max(1, cores // jobs)) for jobs in [*powers, most_jobs]]


def choose_split(times: Mapping[Split, float], runs: int) -> Split:
    """Returns the split under which that many equal runs end first, by what a step takes.

    Of equally fast ones it is the first.
    """
    seconds = {one: _count_seconds(times[one], one, runs) for one in times}
    shortest = min(seconds.values())
    return next(one for one in seconds if seconds[one] <= TIE * shortest)


def _count_seconds(step: float, split: Split, runs: int) -> float:
    return step * math.ceil(runs / split.jobs)


def _is_cpu(run: PlannedRun) -> bool:
    return resolve_device(run.spec.config.train.device).type == "cpu"


def _count_places(run: PlannedRun, cores: int, threads: int) -> int:
    """Returns how many runs the device takes at most: what more would only slow down."""
    train = run.spec.config.train
    kind = resolve_device(train.device).type
    if kind == "cuda" and not train.compile:
        return min(cores, MOST_RUNS_PER_GPU * torch.cuda.device_count())
    # Compiling takes longer than any trial is worth, and MPS is one GPU without a known memory.
    return cores // max(1, threads) if kind == "cpu" and not train.compile else 1


class _Known(BaseModel):
    """What is known about the steps of a network on this machine, in seconds."""

    step: Positive
    """In a run that has all cores, when the network was first tried out."""
    splits: list[tuple[int, int, Positive]] = []
    """Runs at a time, threads of each, and a step; all of them were timed in turn."""

    def look_up(self, splits: Sequence[Split]) -> Mapping[Split, float]:
        """Returns what a step takes under these splits, or nothing if one is not known."""
        known = {Split(jobs, threads): seconds for jobs, threads, seconds in self.splits}
        return {one: known[one] for one in splits} if {*splits} <= known.keys() else {}


class _Memory:
    """The file that keeps what is known about a run's network on this machine."""

    def __init__(self, run: PlannedRun, threads: int) -> None:
        machine = [describe_processor(), platform.machine(), count_cores(), DEFAULT_THREADS]
        own = [describe_network(run), run.spec.config.train.device, threads, find_version("torch")]
        digest = hashlib.sha256(encode_json([machine, own])).hexdigest()
        self._path = data_home() / "speeds" / f"{digest[:32]}.json"

    def read(self) -> _Known | None:
        """Returns what it holds; None if there is no such file, or something else in it."""
        try:
            return _Known.model_validate_json(read_foreign(self._path))
        except (OSError, ValueError):
            return None

    def write(self, known: _Known) -> _Known:
        """Replaces what it holds and returns it; if it cannot, the next command tries again."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(self._path, encode_json(known.model_dump()))
        return known


def describe_network(run: PlannedRun) -> dict[str, Any]:
    """Returns what of a run's config decides how long its steps and evaluations take."""
    config = run.spec.config
    kept = config.model_dump(mode="json", include={"model", "data"})
    train = {"precision", "memory_format", "compile", "trainable", "train_output_layer"}
    return {**kept, "optim": config.optim.name, "train": config.train.model_dump(include=train)}


def count_cores() -> int:
    """Returns how many cores this process may use, and its container allows."""
    limit, cores = read_cpu_limit(), count_usable_cores()
    return cores if limit is None else max(1, min(cores, int(limit)))
