"""Trains planned runs side by side, in processes of this machine.

This process only hands out runs, shows what happens and handles signals. A worker trains many
runs; one that dies takes no other with it. It gets its first run once it has imported PyTorch,
which takes seconds: until then it can be killed and nothing is lost.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from multiprocessing import connection

from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.engines.placement import choose_device
from bnexp.launch.engines.worker import Order, Ready, work
from bnexp.launch.screen.events import RunEnded, Said
from bnexp.launch.stop import StopSignal
from bnexp.system import is_kill, no_terminal_signals
from bnexp.wording import count

POLL_SECONDS = 0.2
"""How soon a stop signal is passed on."""
LEAVING_SECONDS = 30.0
"""How long a worker may take to leave once it has nothing left to do."""


class _Worker:
    """A process that trains runs, seen from its parent."""

    def __init__(self, slot: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.slot = slot
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=work, args=(other_end,), daemon=True)
        self.order: Order | None = None
        """The run that it trains, or will train once it is ready."""
        self.is_ready = False
        with no_terminal_signals():
            self.process.start()
        # While this process holds it open, the death of the other would not be seen.
        other_end.close()

    def send(self, message: object) -> bool:
        """Returns whether the worker was there to take it."""
        try:
            self.connection.send(message)
        except OSError:
            return False
        return True

    def give(self, order: Order) -> bool:
        """Gives it a run, as soon as it is ready; returns whether the worker is still there."""
        self.order = order
        return self.send(order) if self.is_ready else True

    def leave(self) -> int:
        """Waits until the process is gone, which its closed pipe tells it to be, and says how."""
        self.connection.close()
        self.process.join(LEAVING_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return self.process.exitcode or 0


class Pool:
    """Trains the runs of a ledger, up to `jobs` at a time.

    A run whose process dies is tried once more, from its last checkpoint; then it has failed. If
    the ledger stops, every run in progress saves itself, marked interrupted, and no other starts.
    """

    def __init__(self, ledger: Ledger, stop: StopSignal, jobs: int) -> None:
        self._ledger = ledger
        self._stop = stop
        self._jobs = jobs
        self._workers: dict[int, _Worker] = {}
        self._is_told = False

    def train(self) -> None:
        """Trains the runs until none is left, or the ledger stops."""
        processes = count(min(self._jobs, len(self._ledger.runs)), "process")
        line = f"starting {processes}; loading PyTorch takes a few seconds"
        self._ledger.show(Said(line))
        try:
            while True:
                self._tell_to_stop()
                for slot in range(self._jobs):
                    self._hand_out(slot)
                busy = {w.connection: w for w in self._workers.values() if w.order}
                if not busy:
                    return
                for ready in connection.wait(list(busy), POLL_SECONDS):
                    self._read(busy[ready])  # type: ignore[index]
        finally:
            self._close()

    def _close(self) -> None:
        for worker in self._workers.values():
            worker.connection.close()
            if not worker.is_ready:
                worker.process.kill()
        for worker in list(self._workers.values()):
            self._dismiss(worker)

    def _tell_to_stop(self) -> None:
        if self._is_told or not self._ledger.is_stopping:
            return
        self._is_told = True
        for worker in [worker for worker in self._workers.values() if not worker.is_ready]:
            worker.process.kill()
            self._lose(worker)
        if any(worker.order for worker in self._workers.values()):
            self._ledger.notice_stop()
        for worker in self._workers.values():
            worker.send(None)

    def _hand_out(self, slot: int) -> None:
        worker = self._workers.get(slot)
        if worker and worker.order:
            return
        if (taken := self._ledger.take()) is None:
            return
        index, run = taken
        device = choose_device(run, slot) if self._jobs > 1 else None
        order = (index, replace(run, device=device))
        if worker is None or not worker.give(order):
            if worker is not None:  # it died between two runs
                self._dismiss(worker)
            self._engage(slot).give(order)

    def _read(self, worker: _Worker) -> None:
        try:
            event = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if isinstance(event, Ready):
            worker.is_ready = True
            worker.send(worker.order)
            return
        if isinstance(event, RunEnded):
            worker.order = None
            if event.state == "interrupted" and not self._ledger.is_stopping:
                self._dismiss(worker)
                self._ledger.lose(event.index, "its process was told to stop")
                return
        self._ledger.show(event)

    def _lose(self, worker: _Worker) -> None:
        code = self._dismiss(worker)
        if worker.order:
            index, _ = worker.order
            self._ledger.lose(index, _describe_death(code))

    def _engage(self, slot: int) -> _Worker:
        worker = self._workers[slot] = _Worker(slot)
        if worker.process.pid:
            self._stop.children.add(worker.process.pid)
        return worker

    def _dismiss(self, worker: _Worker) -> int:
        del self._workers[worker.slot]
        code = worker.leave()
        self._stop.children.discard(worker.process.pid or 0)
        return code


def _describe_death(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    why = ", perhaps out of memory" * is_kill(-code)
    return f"its process was killed by signal {-code}{why}"
