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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bnexp.runs.record import Scalar, State
from bnexp.runs.tensorboard_events import (
    GraphNode,
    Image,
    encode_event,
    graph_event,
    image_event,
    restart_event,
    scalars_event,
    session_end_event,
    session_start_event,
    version_event,
)

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

Warn = Callable[[str], None]


class EventWriter:
    """Writes one event file into a run's folder; a failure is warned of once, never raised."""

    def __init__(self, folder: Path, warn: Warn) -> None:
        self._folder = folder
        self._warn = warn
        self._file: BinaryIO | None = None
        self._guard(self._open)

    def write_scalars(self, step: int, wall_time: float, scalars: Mapping[str, float]) -> None:
        """Writes one point for each tag; `wall_time` is in seconds since 1970."""
        self._guard(lambda: self._add(scalars_event(step, wall_time, scalars)))

    def write_image(self, tag: str, image: Image, description: str, wall_time: float) -> None:
        """Writes a picture at step 0, with a description in Markdown."""
        self._guard(lambda: self._add(image_event(tag, image, description, wall_time)))

    def write_graph(self, nodes: Sequence[GraphNode], wall_time: float) -> None:
        """Writes the network's graph."""
        self._guard(lambda: self._add(graph_event(nodes, wall_time)))

    def write_session_start(
        self, group: str, hyperparameters: Mapping[str, Scalar], wall_time: float
    ) -> None:
        """Writes the hyper-parameters; runs of the same group, the seeds, form one row."""
        self._guard(lambda: self._add(session_start_event(group, hyperparameters, wall_time)))

    def write_restart(self, wall_time: float) -> None:
        """Makes a running server forget the points of a run's earlier files."""
        self._guard(lambda: self._add(restart_event(wall_time)))

    def write_session_end(self, state: State, wall_time: float) -> None:
        """Writes how the run ended."""
        self._guard(lambda: self._add(session_end_event(state, wall_time)))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._guard(self._flush)

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._guard(self._close)

    def _open(self) -> None:
        # TensorBoard warns on import that TensorFlow is missing, which is intended.
        logging.getLogger("tensorboard").setLevel(logging.ERROR)
        now = time.time()
        name = f"events.out.tfevents.{now:.0f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (self._folder / name).open("xb")
        self._add(version_event(now))

    def _add(self, event: Event) -> None:
        if self._file is not None:
            self._file.write(encode_event(event))

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            self._abandon()
            self._warn(
                f"warning: TensorBoard events cannot be written to {self._folder} ({error}); the "
                "run goes on without them"
            )

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # Closing writes what is left, which fails as the write before it did.
            with contextlib.suppress(OSError):
                file.close()
