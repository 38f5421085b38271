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

from bnexp.launch.plan import Order, PlannedRun
from bnexp.launch.screen.events import Event
from bnexp.system import ignore_terminal


@dataclass(frozen=True)
class Trial:
    """A run of which a few steps are to be timed, with so many threads, for about so long."""

    run: PlannedRun
    threads: int
    seconds: float


@dataclass(frozen=True)
class Timed:
    """What a step took in seconds; None if the run cannot work."""

    seconds: float | None


@dataclass(frozen=True)
class Ready:
    """The process has imported PyTorch and takes orders; it has written nothing before."""


Message = Order | Trial | None
"""What a worker is told; None is to stop."""


def work(connection: Connection) -> None:
    """Does what comes, until it is told to stop or the sender is gone.

    Says first that it is ready. When it is to stop, the run in progress is saved at its next step
    boundary and marked interrupted.
    """
    # Ctrl-C, and the terminal's end, reach every process of the terminal; the parent passes
    # them on as messages.
    ignore_terminal()
    inbox = _Inbox(connection)
    signal.signal(signal.SIGTERM, lambda *_: inbox.stop.set())
    from bnexp.launch.pace import StepTimer
    from bnexp.launch.run.loaded_data import keeping_data
    from bnexp.launch.run.pack import train_one

    def send(event: Event | Ready | Timed) -> None:
        # If the parent is gone, the inbox notices; the run must be saved first.
        with contextlib.suppress(OSError):
            connection.send(event)

    send(Ready())
    timer = None
    with keeping_data():
        while (message := inbox.next()) is not None:
            if isinstance(message, Trial):
                try:
                    timer = timer or StepTimer(message.run)  # the same run each time
                    send(Timed(timer.time_step(message.threads, seconds=message.seconds)))
                except Exception:  # noqa: BLE001 - the run says why when its turn comes
                    send(Timed(None))
            else:
                timer = None
                train_one(message.run, message.index, inbox.stop.is_set, send)


class _Inbox:
    """Reads the pipe in a thread, so that a run in progress learns that it must stop."""

    def __init__(self, connection: Connection) -> None:
        self.stop = threading.Event()
        """Set when told to stop, or when the parent is gone."""
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def next(self) -> Message:
        """Waits for the next message; None if none will come."""
        return None if self.stop.is_set() else self._messages.get()

    def _read(self, connection: Connection) -> None:
        with contextlib.suppress(EOFError, OSError):
            while (message := connection.recv()) is not None:
                self._messages.put(message)
        self.stop.set()
        self._messages.put(None)
