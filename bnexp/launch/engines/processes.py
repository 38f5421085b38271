"""Where workers come from: forks, which start in no time, or fresh processes of Python.

A process that has computed something cannot be forked: the threads and the GPU that PyTorch uses
do not work in the copy. So this process forks a server before it computes anything, and that
server forks the workers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from bnexp.launch.engines.worker import work
from bnexp.system import fork, ignore_terminal, no_terminal_signals, reap


class Forks:
    """Starts workers as forks of a server, which is forked from this process now.

    The server ends when this process does. It and its workers hold nothing of each other's: a
    closed pipe is noticed at its other end.
    """

    def __init__(self) -> None:
        self._requests, served = multiprocessing.Pipe()
        _flush()  # what is left would be written twice

        def serve() -> None:
            self._requests.close()
            _serve(served)

        self._server = fork(serve)
        served.close()

    def start(self, connection: Connection) -> int:
        """Starts a worker that takes orders from a pipe, and returns its process.

        Raises:
            OSError: The server is gone.
            EOFError: The same.
        """
        self._requests.send(None)
        reduction.send_handle(self._requests, connection.fileno(), self._server)
        return int(self._requests.recv())

    def reap(self, process: int, seconds: float) -> int:
        """Waits for a worker's end, kills it after `seconds`, and returns its exit code.

        If the server is gone, nobody knows it: 255.
        """
        with contextlib.suppress(EOFError, OSError):
            self._requests.send((process, seconds))
            return int(self._requests.recv())
        return 255

    def close(self) -> None:
        """Ends the server."""
        self._requests.close()
        reap(self._server, seconds=1.0)


class FreshProcesses:
    """Starts workers that import PyTorch themselves, which takes seconds: works everywhere."""

    def __init__(self) -> None:
        self._processes: dict[int, SpawnProcess] = {}

    def start(self, connection: Connection) -> int:
        """Starts a worker that takes orders from a pipe, and returns its process."""
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=work, args=(connection,), daemon=True)
        with no_terminal_signals():
            process.start()
        assert process.pid, "it was started"
        self._processes[process.pid] = process
        return process.pid

    def reap(self, process: int, seconds: float) -> int:
        """Waits for a worker's end, kills it after `seconds`, and returns its exit code."""
        one = self._processes.pop(process)
        one.join(seconds)
        if one.exitcode is None:
            one.kill()
            one.join()
        return one.exitcode or 0

    def close(self) -> None:
        """There is nothing to give back."""


def _serve(requests: Connection) -> None:
    """Forks workers and reaps them, until whoever asks for that is gone."""
    # All but the end of the parent, which closes the pipe, leaves the server alone.
    ignore_terminal()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        while True:
            request = requests.recv()
            requests.send(_fork_worker(requests) if request is None else reap(*request))


def _fork_worker(requests: Connection) -> int:
    with Connection(reduction.recv_handle(requests)) as connection:

        def run() -> None:
            requests.close()
            work(connection)
            _flush()

        return fork(run)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
