"""Writes what a run measures into its folder, and shows it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from bnexp.runs import MetricsLog, MetricsRow, RunDir, Scalar, State
from bnexp.runs.tensorboard import EventWriter
from bnexp.runs.tensorboard_events import GraphNode, Image

SECONDS_BETWEEN_BEATS = 5.0


class RunDisplay(Protocol):
    """Shows one run as it goes."""

    def say(self, line: str) -> None:
        """Shows a line."""

    def progress(self, step: int) -> None:
        """Shows how many steps are done."""

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Shows an epoch's figures."""


class RunRecorder:
    """Takes the loop's scalars: metrics.jsonl, TensorBoard, heartbeat and display.

    The events of a run that goes on are written anew from its `rows`, so that no point
    stands there twice whatever the old files held.
    """

    def __init__(
        self,
        folder: RunDir,
        group: str,
        hyperparameters: Mapping[str, Scalar],
        display: RunDisplay,
        rows: Sequence[MetricsRow] = (),
    ) -> None:
        folder.check()
        self._folder = folder
        self._display = display
        self._metrics = MetricsLog(folder.metrics)
        folder.remove_events()
        self._events = EventWriter(folder.path, self.say)
        self._is_open = True
        started = time.time() - (rows[-1].elapsed_seconds if rows else 0.0)
        if rows:
            self._events.write_restart(started)
        self._events.write_session_start(group, hyperparameters, started)
        for row in rows:
            values = {tag: math.nan if v is None else v for tag, v in row.scalars.items()}
            self._events.write_scalars(row.step, started + row.elapsed_seconds, values)
        self._last_beat = time.monotonic()

    def record(
        self, step: int, epoch: int, elapsed_seconds: float, scalars: Mapping[str, float]
    ) -> None:
        """Writes a row of metrics and the same points for TensorBoard."""
        self._folder.check()
        self._metrics.write(step, epoch, elapsed_seconds, scalars)
        self._events.write_scalars(step, time.time(), scalars)

    def progress(self, step: int, total_steps: int) -> None:
        """Shows the step and says, every few seconds, that the run lives."""
        self._display.progress(step)
        if time.monotonic() - self._last_beat >= SECONDS_BETWEEN_BEATS:
            self._folder.set_state("running", step=step, total_steps=total_steps)
            self._events.flush()
            self._last_beat = time.monotonic()

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Shows the epoch and makes what was written readable for others."""
        self._display.epoch_done(epoch, epochs, scalars)
        self._events.flush()
        figures = "  ".join(f"{tag} {value:.6g}" for tag, value in scalars.items())
        self._folder.say(f"epoch {epoch}/{epochs}  {figures}")

    def show_image(self, tag: str, image: Image, description: str) -> None:
        """Puts a picture into TensorBoard, at step 0, with a description in Markdown."""
        self._events.write_image(tag, image, description, time.time())

    def show_graph(self, nodes: Sequence[GraphNode]) -> None:
        """Puts the network's graph into TensorBoard."""
        self._events.write_graph(nodes, time.time())

    def say(self, line: str) -> None:
        """Says a line, in the log as well."""
        self._folder.say(line)
        self._display.say(line)

    def sync(self) -> None:
        """Waits until the rows are on the disk."""
        self._metrics.sync()

    def close(self, state: State) -> None:
        """Ends the TensorBoard session and closes the files; a second time does nothing."""
        if not self._is_open:
            return
        self._folder.check()
        self._is_open = False
        self._events.write_session_end(state, time.time())
        self._events.close()
        with contextlib.suppress(OSError):  # the disk that is full has been reported
            self._metrics.close()
