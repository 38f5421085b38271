"""A process of the pool: trains one run after the other, as they come through a pipe.

PyTorch is imported after the signals are set, and before the first run is asked for.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bnexp.launch.plan import PlannedRun
from bnexp.launch.screen.events import Event
from bnexp.system import ignore_terminal

Order = tuple[int, PlannedRun]


@dataclass(frozen=True)
class Ready:
    """The process has imported PyTorch and takes runs; it has written nothing before."""


def work(connection: Connection) -> None:
    """Trains the runs that come, until it is told to stop or the sender is gone.

    Says first that it is ready. When it is to stop, the run in progress is saved at its next step
    boundary and marked interrupted.
    """
    # Ctrl-C, and the terminal's end, reach every process of the terminal; the parent passes
    # them on as messages.
    ignore_terminal()
    inbox = _Inbox(connection)
    signal.signal(signal.SIGTERM, lambda *_: inbox.stop.set())
    from bnexp.launch.run.one_run import train_one

    def send(event: Event | Ready) -> None:
        # If the parent is gone, the inbox notices; the run must be saved first.
        with contextlib.suppress(OSError):
            connection.send(event)

    send(Ready())
    while (order := inbox.next()) is not None:
        index, run = order
        train_one(run, index, inbox.stop.is_set, send)


class _Inbox:
    """Reads the pipe in a thread, so that a run in progress learns that it must stop."""

    def __init__(self, connection: Connection) -> None:
        self.stop = threading.Event()
        """Set when told to stop, or when the parent is gone."""
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def next(self) -> Order | None:
        """Waits for the next run; None if none will come."""
        return None if self.stop.is_set() else self._orders.get()

    def _read(self, connection: Connection) -> None:
        with contextlib.suppress(EOFError, OSError):
            while (order := connection.recv()) is not None:
                self._orders.put(order)
        self.stop.set()
        self._orders.put(None)
