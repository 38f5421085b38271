"""Trains planned runs side by side, in processes of this machine.

This process only hands out runs, shows what happens and handles signals. A worker trains many
runs; one that dies takes no other with it. It gets its first run once it has imported PyTorch,
which takes seconds unless it is a fork: until then it can be killed and nothing is lost.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import connection
from statistics import fmean

from bnexp.launch.engines.auto import Split
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.placement import choose_device
from bnexp.launch.engines.processes import Forks, FreshProcesses
from bnexp.launch.engines.worker import Message, Ready, Timed, Trial
from bnexp.launch.plan import Order, PlannedRun
from bnexp.launch.screen.events import Event, RunEnded, Said
from bnexp.launch.stop import StopSignal
from bnexp.system import is_kill, kill
from bnexp.wording import count

POLL_SECONDS = 0.2
"""How soon a stop signal is passed on."""
LEAVING_SECONDS = 30.0
"""How long a worker may take to leave once it has nothing left to do."""
TRIAL_SECONDS = 120.0
"""How long a worker may take to start and to time a few steps."""
ROUNDS = 2
"""How often the splits are tried out, one after the other, after a round that warms up."""


class _Worker:
    """A process that trains runs, seen from its parent."""

    def __init__(self, slot: int, processes: Forks | FreshProcesses) -> None:
        self.slot = slot
        self._processes = processes
        self.connection, other_end = multiprocessing.Pipe()
        # While this process holds the other end, the death of the worker would not be seen.
        with other_end:
            self.process = processes.start(other_end)
        self.order: Order | Trial | None = None
        """What it works on, or will once it is ready."""
        self.is_ready = False

    def send(self, message: Message) -> bool:
        """Returns whether the worker was there to take it."""
        try:
            self.connection.send(message)
        except OSError:
            return False
        return True

    def give(self, order: Order | Trial) -> bool:
        """Gives it an order, as soon as it is ready; returns whether the worker is still there."""
        self.order = order
        return self.send(order) if self.is_ready else True

    def take_message(self) -> Event | Timed | None:
        """Returns what it says next; None if it says that it is ready.

        Raises:
            EOFError: It is gone.
            OSError: The same.
        """
        message: Event | Timed | Ready = self.connection.recv()
        if not isinstance(message, Ready):
            return message
        self.is_ready = True
        if self.order:
            self.send(self.order)
        return None

    def leave(self) -> int:
        """Waits until the process is gone, which its closed pipe tells it to be, and says how."""
        self.connection.close()
        return self._processes.reap(self.process, LEAVING_SECONDS)


class Pool:
    """Workers that train the runs of one ledger after the other.

    A run whose process dies is tried once more, from its last checkpoint; then it has failed. If
    a ledger stops, every run in progress saves itself, marked interrupted, and no other starts.
    """

    def __init__(self, can_fork: bool) -> None:
        self._processes: Forks | FreshProcesses = FreshProcesses()
        if can_fork:
            with contextlib.suppress(OSError):  # no memory for a second process
                self._processes = Forks()
        self._workers: dict[int, _Worker] = {}
        self._children: set[int] = set()

    def time_steps(
        self, run: PlannedRun, splits: Sequence[Split], whole: float
    ) -> dict[Split, float]:
        """Returns how many seconds a step of a run takes under each split; nothing if it fails.

        `whole` is about how long it may take in all, beside the start of the workers.
        """
        seconds = whole / (1 + ROUNDS * len(splits))
        times: dict[Split, list[float]] = {split: [] for split in splits}
        is_done = False
        try:
            with contextlib.suppress(EOFError, OSError):
                self._time(run, Split(max(split.jobs for split in splits), 1), seconds)
                for split in [*splits] * ROUNDS:
                    times[split] += self._time(run, split, seconds)
                is_done = True
        finally:
            if not is_done:  # nothing is lost with them, and a step may take long
                for process in self._children:
                    kill(process)
                self.close_workers()
        return {split: fmean(times[split]) for split in splits} if is_done else {}

    def _time(self, run: PlannedRun, split: Split, seconds: float) -> list[float]:
        """Returns the time of a step of each of several equal runs.

        Raises:
            EOFError: A worker is gone.
            OSError: The same, or the run cannot work, or takes too long.
        """
        waiting: dict[connection.Connection, _Worker] = {}
        for slot in range(split.jobs):
            worker = self._workers.get(slot) or self._engage(slot)
            placed = replace(run, device=choose_device(run, slot))
            worker.give(Trial(placed, split.threads, seconds))
            waiting[worker.connection] = worker
        times: list[float] = []
        while waiting:
            ready = connection.wait([*waiting], TRIAL_SECONDS)
            if not ready:
                raise TimeoutError
            for one in ready:
                worker = waiting[one]  # type: ignore[index]
                if isinstance(message := worker.take_message(), Timed):
                    worker.order = None
                    if message.seconds is None:
                        raise TimeoutError
                    times.append(message.seconds)
                    del waiting[worker.connection]
        return times

    def train(self, ledger: Ledger, stop: StopSignal, jobs: int) -> None:
        """Trains the runs, up to `jobs` at a time, until none is left, or the ledger stops."""
        stop.children = self._children
        for slot in [slot for slot in self._workers if slot >= jobs]:
            self._dismiss(self._workers[slot])
        if isinstance(self._processes, FreshProcesses) and not self._workers:
            processes = count(min(jobs, len(ledger.runs)), "process")
            ledger.show(Said(f"starting {processes}; loading PyTorch takes a few seconds"))
        is_told = False
        while True:
            if ledger.is_stopping and not is_told:
                is_told = True
                self._tell_to_stop(ledger)
            for slot in range(jobs):
                self._hand_out(slot, ledger)
            busy = {w.connection: w for w in self._workers.values() if w.order}
            if not busy:
                return
            for ready in connection.wait(list(busy), POLL_SECONDS):
                self._read(busy[ready], ledger)  # type: ignore[index]

    def close(self) -> None:
        """Lets the workers go; those that have never been ready are killed."""
        self.close_workers()
        self._processes.close()

    def close_workers(self) -> None:
        """Lets the workers go, and waits until they are gone."""
        for worker in self._workers.values():
            worker.connection.close()
            if not worker.is_ready:
                kill(worker.process)
        for worker in list(self._workers.values()):
            self._dismiss(worker)

    def _tell_to_stop(self, ledger: Ledger) -> None:
        for worker in [worker for worker in self._workers.values() if not worker.is_ready]:
            kill(worker.process)
            self._lose(worker, ledger)
        if any(worker.order for worker in self._workers.values()):
            ledger.notice_stop()
        for worker in self._workers.values():
            worker.send(None)

    def _hand_out(self, slot: int, ledger: Ledger) -> None:
        worker = self._workers.get(slot)
        if (worker and worker.order) or (taken := ledger.take()) is None:
            return
        order = replace(taken, run=replace(taken.run, device=choose_device(taken.run, slot)))
        if worker and worker.give(order):
            return
        if worker:  # it died between two runs
            self._dismiss(worker)
        self._engage(slot).give(order)

    def _read(self, worker: _Worker, ledger: Ledger) -> None:
        try:
            event = worker.take_message()
        except (EOFError, OSError):
            self._lose(worker, ledger)
            return
        if isinstance(event, RunEnded):
            worker.order = None
            if event.state == "interrupted" and not ledger.is_stopping:
                self._dismiss(worker)
                ledger.lose(event.index, "its process was told to stop")
                return
        if event and not isinstance(event, Timed):
            ledger.show(event)

    def _lose(self, worker: _Worker, ledger: Ledger) -> None:
        code = self._dismiss(worker)
        if isinstance(worker.order, Order):
            ledger.lose(worker.order.index, _describe_death(code))

    def _engage(self, slot: int) -> _Worker:
        try:
            worker = _Worker(slot, self._processes)
        except (EOFError, OSError):
            if isinstance(self._processes, FreshProcesses):
                raise
            self._processes.close()
            self._processes = FreshProcesses()
            worker = _Worker(slot, self._processes)
        self._workers[slot] = worker
        self._children.add(worker.process)
        return worker

    def _dismiss(self, worker: _Worker) -> int:
        del self._workers[worker.slot]
        code = worker.leave()
        self._children.discard(worker.process)
        return code


def _describe_death(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    why = ", perhaps out of memory" * is_kill(-code)
    return f"its process was killed by signal {-code}{why}"
