"""Trains planned runs as tasks of Ray, on this machine or on a cluster with a shared folder.

Source: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnexp.errors import UsageError
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.placement import give_threads
from bnexp.launch.engines.ray_worker import Channel, Origin, train_remotely
from bnexp.launch.plan import PlannedRun
from bnexp.launch.stop import StopSignal
from bnexp.runs import RunDir
from bnexp.wording import count

POLL_SECONDS = 0.2
THREADS = 1
"""CPU threads of a run whose config names no count: the same on every machine of a cluster."""


class RayLauncher:
    """Trains runs as tasks of Ray.

    Raises:
        UsageError: Ray is not installed, or there is none at the address.
    """

    def __init__(self, jobs: int | None = None, address: str | None = None) -> None:
        self._ray = _import_ray()
        try:
            self._ray.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray at --address {address or 'auto'}: {error}; start one with `ray "
                "start --head`, or use --launcher local"
            ) from None
        resources = self._ray.cluster_resources()
        self.cpus, self.gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        self.jobs = jobs or max(self.cpus, self.gpus, 1)

    def place(self, runs: Sequence[PlannedRun], now: int) -> list[PlannedRun]:
        """Returns the runs with the device that they get, and folders that hold everywhere.

        Raises:
            UsageError: A config names one GPU of many, or needs what the cluster does not have.
        """
        placed = []
        for run in give_threads(runs, THREADS):
            device = run.spec.config.train.device
            if device == "auto":
                device = "cuda" if self.gpus else "cpu"
            if device.startswith("cuda:"):
                raise UsageError(f"Ray chooses the GPU: write train.device: cuda, not {device}")
            if device == "cuda" and not self.gpus:
                raise UsageError("the Ray cluster has no GPU; use --device cpu")
            threads = run.spec.config.train.threads or run.threads or THREADS
            if device != "cuda" and threads > self.cpus:
                raise UsageError(f"a run with {threads} threads does not fit {self.cpus} Ray CPUs")
            folder = RunDir(run.folder.path.absolute(), run.folder.identity)
            placed.append(replace(run, device=device, threads=threads, folder=folder))
        return placed

    def estimate(self, runs: Sequence[PlannedRun]) -> float | None:
        """Returns None: the machines need not be like this one."""
        return None

    def count_at_once(self, _: Sequence[PlannedRun]) -> int:
        """Returns how many runs train at once at most."""
        return self.jobs

    def describe(self, runs: Sequence[PlannedRun]) -> str:
        """Returns what the cluster has, and how many runs train at a time."""
        has = f"{count(self.cpus, 'CPU')} and {count(self.gpus, 'GPU')}"
        return f"on Ray with {has}, up to {self.jobs} at a time"

    def explain(self, runs: Sequence[PlannedRun]) -> list[str]:
        """Returns what the bits depend on, unless every config sets its thread count."""
        if all(run.spec.config.train.threads for run in runs):
            return []
        return [f"each run gets {count(THREADS, 'CPU thread')}, unless train.threads is set"]

    def train(self, ledger: Ledger, stop: StopSignal) -> None:
        """Trains the ledger's runs as the cluster has room.

        Failures, deaths and stop signals have the same consequences as in the pool.
        """
        _Session(self._ray, ledger, self.jobs, self.gpus).train()

    def close(self) -> None:
        """Leaves Ray, and ends it if it was started for this command."""
        self._ray.shutdown()


class _Session:
    def __init__(self, ray: Any, ledger: Ledger, jobs: int, gpus: int) -> None:  # noqa: ANN401 - Ray's module
        self._ray = ray
        self._ledger = ledger
        self._jobs = jobs
        # If more runs train at a time than there are GPUs, they share them.
        self._gpu_share = 1.0 if jobs <= gpus else gpus / jobs
        self._channel = ray.remote(num_cpus=0)(Channel).remote()
        # What a death means is decided by the ledger, as for every launcher.
        self._task = ray.remote(max_retries=0)(train_remotely)
        own = {name: value for name, value in os.environ.items() if name == "BNEXP_DATA"}
        self._origin = Origin(Path.cwd(), sys.argv, own)
        self._running: dict[Any, int] = {}
        self._is_told = False

    def train(self) -> None:
        while True:
            while len(self._running) < self._jobs and (order := self._ledger.take()):
                self._submit(order.index, order.run)
            if not self._running:
                return
            done, _ = self._ray.wait(list(self._running), timeout=POLL_SECONDS)
            self._show_events()
            for task in done:
                self._end(task, self._running.pop(task))
            if self._ledger.is_stopping and not self._is_told:
                self._is_told = True
                self._cancel_what_waits()

    def _submit(self, index: int, run: PlannedRun) -> None:
        gpus = self._gpu_share if run.device == "cuda" else 0
        options = {"num_cpus": run.threads, "num_gpus": gpus, "name": run.spec.cell}
        task = self._task.options(**options).remote(self._channel, index, run, self._origin)
        self._running[task] = index

    def _show_events(self) -> None:
        for event in self._ray.get(self._channel.take.remote(self._ledger.is_stopping)):
            self._ledger.show(event)

    def _end(self, task: Any, index: int) -> None:  # noqa: ANN401 - a reference to a task
        try:
            self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            return
        except self._ray.exceptions.RayTaskError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._ledger.lose(index, f"its Ray task failed: {lines[-1]}")
        except self._ray.exceptions.RayError as error:
            self._ledger.lose(index, f"its Ray worker died ({type(error).__name__})")

    def _cancel_what_waits(self) -> None:
        for task, index in self._running.items():
            if index not in self._ledger.started:
                self._ray.cancel(task)


def _import_ray() -> Any:  # noqa: ANN401 - a module without types
    # Said nowhere else: Ray would send statistics about its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"--launcher ray needs Ray ({error}): pip install 'bnexp[ray]', or use --jobs N"
        ) from None
    return ray
