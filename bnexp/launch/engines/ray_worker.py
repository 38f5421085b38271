"""What runs on Ray's side: one run per task, and the channel between the tasks and the driver.

Light until a task begins, and the same file on every machine: bnexp must be installed there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp.launch.plan import PlannedRun
from bnexp.launch.screen.events import Event

SECONDS_BETWEEN_CALLS = 0.5


@dataclass(frozen=True)
class Origin:
    """Where the command was given, so that a task finds the same data and notes the command."""

    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]

    def take_over(self) -> None:
        """Sets this process as the command's own was, as far as the machine has its folders."""
        os.environ.update(self.environment)
        sys.argv = list(self.command)
        with contextlib.suppress(OSError):
            os.chdir(self.folder)


class Channel:
    """An actor: takes the tasks' events for the driver, and answers the tasks whether to stop."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._is_stopping = False

    def tell(self, events: Sequence[Event]) -> bool:
        """Takes events and returns whether the runs are to stop."""
        self._events += events
        return self._is_stopping

    def take(self, is_stopping: bool) -> list[Event]:
        """Gives the driver what came since it last asked; `is_stopping` is for the tasks."""
        self._is_stopping = is_stopping
        events, self._events = self._events, []
        return events


def train_remotely(channel: Any, index: int, run: PlannedRun, origin: Origin) -> None:  # noqa: ANN401 - an actor's handle
    """Trains a run, unless all must stop before it begins."""
    origin.take_over()
    link = _Link(channel)
    try:
        if link.stop.is_set():
            return
        from bnexp.launch.run.pack import train_one

        train_one(run, index, link.stop.is_set, link.send)
    finally:
        link.close()


class _Link:
    """A task's end of the channel: sends in a thread, so that no step waits for the network."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - an actor's handle
        self.stop = threading.Event()
        """Set when the driver says so, or is gone."""
        self._channel = channel
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._is_done = threading.Event()
        self._call()
        self._thread = threading.Thread(target=self._keep_calling, daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def close(self) -> None:
        self._is_done.set()
        self._thread.join()
        self._call()

    def _keep_calling(self) -> None:
        while not self._is_done.wait(SECONDS_BETWEEN_CALLS):
            self._call()

    def _call(self) -> None:
        import ray

        with self._lock:
            events, self._events = self._events, []
        try:
            is_stopping = ray.get(self._channel.tell.remote(events))
        except ray.exceptions.RayError:
            is_stopping = True
        if is_stopping:
            self.stop.set()
