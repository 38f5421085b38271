"""Trains runs on this machine alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.placement import choose_device, give_threads, split_threads
from bnexp.launch.engines.pool import Pool
from bnexp.launch.plan import PlannedRun
from bnexp.launch.prepare import estimate_seconds
from bnexp.launch.run.one_run import train_one
from bnexp.launch.stop import StopSignal
from bnexp.training.machine.device import DEFAULT_THREADS, free_memory, resolve_device
from bnexp.wording import count


class LocalLauncher:
    """One run after the other in this process, or several at a time in a pool of processes."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs
        self._share = split_threads(jobs)

    def place(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Returns the runs with their threads; the devices are dealt out run by run."""
        return give_threads(runs, self._share)

    def estimate(self, runs: Sequence[PlannedRun]) -> float | None:
        """Returns the time as if all runs were like the first, and none in another's way."""
        seconds = estimate_seconds(runs[0])
        free_memory()
        return None if seconds is None else max(1.0, seconds * math.ceil(len(runs) / self.jobs))

    def describe(self, runs: Sequence[PlannedRun]) -> str:
        """Returns the devices and, for several runs at a time, their number and threads."""
        slots = range(self.jobs if torch.cuda.is_available() else 1)
        devices = dict.fromkeys(self._name_device(run, slot) for run in runs for slot in slots)
        words = f"on {' '.join(devices)}"
        if self.jobs == 1:
            return words
        counts = {run.spec.config.train.threads or run.threads or DEFAULT_THREADS for run in runs}
        least, most = min(counts), max(counts)
        threads = count(most, "thread") if least == most else f"{least} to {most} threads"
        return f"{words}, {self.jobs} at a time with {threads} each"

    def explain(self, runs: Sequence[PlannedRun]) -> list[str]:
        """Returns what the bits depend on, unless every config sets its thread count."""
        free = [run for run in runs if run.spec.config.train.threads is None]
        if not free or resolve_device(free[0].spec.config.train.device).type != "cpu":
            return []
        lines = []
        if self._share:
            lines.append(
                f"--jobs {self.jobs} gives each run {count(self._share, 'thread')} of "
                f"{DEFAULT_THREADS}; the count changes the last bits of a result; set "
                "train.threads for the same bits under any --jobs"
            )
        usual = self._share or DEFAULT_THREADS
        kept = [run.threads for run in free if run.threads and run.threads != usual]
        if kept:
            counts = " or ".join(str(count) for count in sorted(set(kept)))
            begun = count(len(kept), "run")
            lines.append(
                f"{begun} that were cut off continue with their own thread count, {counts}"
            )
        return lines

    def train(self, ledger: Ledger, stop: StopSignal) -> None:
        """Trains the ledger's runs, of which a run that fails does not stop the others.

        After a stop signal the runs in progress are saved and marked interrupted, and no other
        is begun.
        """
        if self.jobs > 1:
            Pool(ledger, stop, self.jobs).train()
            return
        while order := ledger.take():
            index, run = order
            train_one(run, index, ledger.notice_stop, ledger.show)

    def close(self) -> None:
        """There is nothing to give back."""

    def _name_device(self, run: PlannedRun, slot: int) -> str:
        chosen = choose_device(run, slot) if self.jobs > 1 else None
        return chosen or str(resolve_device(run.spec.config.train.device))
