"""A run's TensorBoard events: scalars with equal tags in every run, and its hyper-parameters.

The hyper-parameters go into the run's own file as session start and end records, so
that TensorBoard groups the seeds of a cell and no extra run appears.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ParamSpec

from bnexp.runs.streams.tensorboard_events import EVENTS, encode_event, version_event

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

Arguments = ParamSpec("Arguments")


class EventWriter:
    """Writes one event file into a run's folder; a failure is a warning, once, never an error."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
        self._file: BinaryIO | None = None
        self._guard(self._open)

    def write(
        self, build: Callable[Arguments, Event], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> None:
        """Writes the event that one of the builders of `tensorboard_events` returns."""
        self._guard(lambda: self._add(build(*args, **kwargs)))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._guard(lambda: self._file and self._file.flush())

    def close(self) -> None:
        """Writes what is left, waits until it is on the disk, and closes the file."""
        self._guard(self._close)

    def _open(self) -> None:
        # TensorBoard warns on import that TensorFlow is missing, which is intended.
        logging.getLogger("tensorboard").setLevel(logging.ERROR)
        now = time.time()
        name = f"{EVENTS}{now:.0f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (self._folder / name).open("xb")
        self._add(version_event(now))

    def _close(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())  # nobody rewrites the events of a run that has ended
            self._file.close()

    def _add(self, event: Event) -> None:
        if self._file is not None:
            self._file.write(encode_event(event))

    def _guard(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            file, self._file = self._file, None
            # Closing writes what is left, which fails as the write before it did.
            with contextlib.suppress(OSError):
                file and file.close()
            self._warn(
                f"warning: TensorBoard events cannot be written to {self._folder} ({error}); the "
                "run continues without them"
            )
