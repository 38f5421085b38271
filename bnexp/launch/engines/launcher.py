"""Trains runs on this machine alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from bnexp.launch.engines.auto import Split, choose_jobs, describe_network
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.packing import choose_pack, find_most, gains_by_packs
from bnexp.launch.engines.placement import (
    choose_device,
    find_experiment_threads,
    give_threads,
    split_threads,
)
from bnexp.launch.engines.pool import Pool
from bnexp.launch.pace import Pace, measure_pace
from bnexp.launch.plan import PlannedRun
from bnexp.launch.run.loaded_data import keeping_data
from bnexp.launch.run.pack import train_pack
from bnexp.launch.stop import StopSignal
from bnexp.training.machine.device import DEFAULT_THREADS, resolve_device
from bnexp.wording import count


class LocalLauncher:
    """One run after the other in this process, or several at a time in a pool of processes.

    `jobs` is how many; None finds it out: by what the experiment's runs began with, or by the
    first steps of one of them. With `can_fork`, this process must have computed nothing yet.
    `say` is told what takes a while before anything is trained.
    """

    def __init__(
        self,
        jobs: int | None = 1,
        can_fork: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._say = say
        self.jobs = jobs or 1
        self._is_auto = jobs is None
        self._may_pack = False
        self._pool = None if jobs == 1 else Pool(can_fork)
        self._share: int | None = None
        self._note: str | None = None
        self._pace: tuple[dict[str, Any], Pace | None] | None = None
        self._slowdown = 1.0

    def place(self, runs: Sequence[PlannedRun], now: int) -> list[PlannedRun]:
        """Returns the runs with their threads; the first `now` of them are trained next.

        The devices are dealt out run by run.

        Raises:
            UsageError: A folder holds checkpoints of another run.
        """
        is_cpu = resolve_device(runs[0].spec.config.train.device).type == "cpu"
        kept = find_experiment_threads(runs) if is_cpu else None
        self._may_pack = self._is_auto and gains_by_packs(runs[0], self._measure)
        if self._may_pack:
            self.jobs, self._share, self._note = 1, kept, None
        elif self._pool and self._is_auto:
            began = give_threads(runs, kept)
            choice = choose_jobs(began, now, kept, self._measure, self._time_steps)
            self.jobs, self._share, self._slowdown = choice.jobs, choice.threads, choice.slowdown
            self._note = choice.reason and f"--jobs auto: {choice.reason}"
        else:
            self._share, self._note = kept or split_threads(self.jobs), None
        if is_cpu and any(run.spec.config.train.threads is None for run in runs):
            self._note = self._note or self._explain_share(kept)
        return give_threads(runs, self._share)

    def _explain_share(self, kept: int | None) -> str | None:
        usual = split_threads(self.jobs) or DEFAULT_THREADS
        if kept and kept != usual:
            return (
                f"each run gets {count(kept, 'thread')}, as the experiment's earlier runs had: "
                "the count changes the last bits of a result"
            )
        if kept or not self._share:
            return None
        return (
            f"--jobs {self.jobs} gives each run {count(self._share, 'thread')} of "
            f"{DEFAULT_THREADS}; the count changes the last bits of a result; set "
            "train.threads for the same bits under any --jobs"
        )

    def estimate(self, runs: Sequence[PlannedRun]) -> float | None:
        """Returns the time as if all runs were like the first; None if that one cannot work."""
        if (pace := self._measure(runs[0])) is None:
            return None
        seconds = pace.estimate_seconds(runs[0]) * self._slowdown
        return max(1.0, seconds * math.ceil(len(runs) / self.jobs))

    def count_at_once(self, runs: Sequence[PlannedRun]) -> int:
        """Returns how many of these runs train at once at most."""
        if self.jobs > 1:
            return self.jobs
        return min(len(runs), max(find_most(run, self._may_pack) for run in runs))

    def describe(self, runs: Sequence[PlannedRun]) -> str:
        """Returns the devices and, for several runs at a time, their number and threads."""
        slots = range(self.jobs if torch.cuda.is_available() else 1)
        devices = dict.fromkeys(self._name_device(run, slot) for run in runs for slot in slots)
        words = f"on {' '.join(devices)}"
        if self.jobs == 1:
            most = self.count_at_once(runs)
            return f"{words}, up to {most} seeds of a cell at once" if most > 1 else words
        counts = {run.spec.config.train.threads or run.threads or DEFAULT_THREADS for run in runs}
        least, most = min(counts), max(counts)
        threads = count(most, "thread") if least == most else f"{least} to {most} threads"
        return f"{words}, {self.jobs} at a time with {threads} each"

    def explain(self, runs: Sequence[PlannedRun]) -> list[str]:
        """Returns what was chosen and why, and what the bits depend on if configs leave it open."""
        lines = [self._note] if self._note else []
        usual = self._share or DEFAULT_THREADS
        others = [run.threads for run in runs if run.threads and run.threads != usual]
        if others:
            counts = " or ".join(str(count) for count in sorted(set(others)))
            begun = count(len(others), "run")
            lines.append(
                f"{begun} that were cut off continue with their own thread count, {counts}"
            )
        return lines

    def train(self, ledger: Ledger, stop: StopSignal) -> None:
        """Trains the ledger's runs, of which a run that fails does not stop the others.

        After a stop signal the runs in progress are saved and marked interrupted, and no other
        is begun.
        """
        if self._pool and self.jobs > 1:
            self._pool.train(ledger, stop, self.jobs)
            return
        with keeping_data():
            while order := ledger.take():
                orders = choose_pack(order, ledger, self._may_pack, self._measure)
                train_pack(orders, ledger.notice_stop, ledger.show)

    def close(self) -> None:
        """Ends the processes that it has started."""
        if self._pool:
            self._pool.close()

    def _time_steps(
        self, run: PlannedRun, splits: Sequence[Split], whole: float
    ) -> Mapping[Split, float]:
        assert self._pool, "there is one with --jobs auto"
        tried = " or ".join(str(split.jobs) for split in splits)
        self._say(f"--jobs auto: timing a few steps of {tried} runs at a time")
        return self._pool.time_steps(run, splits, whole)

    def _measure(self, run: PlannedRun) -> Pace | None:
        network = describe_network(run)
        if self._pace is None or self._pace[0] != network:
            self._pace = network, measure_pace(run)
        return self._pace[1]

    def _name_device(self, run: PlannedRun, slot: int) -> str:
        chosen = choose_device(run, slot) if self.jobs > 1 else None
        return chosen or str(resolve_device(run.spec.config.train.device))
