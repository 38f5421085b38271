"""Writes what a run measures and says into its folder, and shows it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence

from bnexp.launch.screen.events import EpochEnded, Event, RunProgressed, Said
from bnexp.runs import MetricsLog, MetricsRow, RunDir, Scalar, State
from bnexp.runs.streams.metrics_log import Histogram
from bnexp.runs.streams.tensorboard import EventWriter
from bnexp.runs.streams.tensorboard_events import (
    GraphNode,
    Image,
    graph_event,
    histograms_event,
    image_event,
    restart_event,
    scalars_event,
    session_end_event,
    session_start_event,
)

SECONDS_BETWEEN_BEATS = 5.0
SECONDS_BETWEEN_STEPS = 0.2
"""Steps are shown no more often than this."""


class RunRecorder:
    """Reports one run: into its log, metrics.jsonl, TensorBoard and status, and to the screen.

    `send` takes the events of the run with this `index`. Metrics can be recorded after `open`.
    """

    def __init__(self, folder: RunDir, index: int, send: Callable[[Event], None]) -> None:
        self._folder = folder
        self._index = index
        self._send = send
        self._last_beat = time.monotonic()
        self._last_shown = 0.0

    def open(
        self, group: str, hyperparameters: Mapping[str, Scalar], rows: Sequence[MetricsRow]
    ) -> None:
        """Opens metrics and events; `rows` are those that a resumed run keeps.

        The events are rewritten from them, so that no point appears twice, whatever the old
        files held.
        """
        self._folder.check()
        self._metrics = MetricsLog(self._folder.metrics)
        self._folder.remove_events()
        self._events = EventWriter(self._folder.path, self.say)
        started = time.time() - (rows[-1].elapsed_seconds if rows else 0.0)
        if rows:
            self._events.write(restart_event, started)
        self._events.write(session_start_event, group, hyperparameters, started)
        for row in rows:
            values = {tag: math.nan if v is None else v for tag, v in row.scalars.items()}
            self._show(row.step, started + row.elapsed_seconds, values, row.histograms)

    def record(
        self,
        step: int,
        epoch: int,
        elapsed_seconds: float,
        scalars: Mapping[str, float],
        histograms: Mapping[str, Histogram],
    ) -> None:
        """Writes a row of metrics and the same points for TensorBoard."""
        self._folder.check()
        self._metrics.write(step, epoch, elapsed_seconds, scalars, histograms)
        self._show(step, time.time(), scalars, histograms)

    def _show(
        self,
        step: int,
        wall_time: float,
        scalars: Mapping[str, float],
        histograms: Mapping[str, Histogram],
    ) -> None:
        self._events.write(scalars_event, step, wall_time, scalars)
        if histograms:
            self._events.write(histograms_event, step, wall_time, histograms)

    def progress(self, step: int, total_steps: int) -> None:
        """Shows the step a few times per second and, every few seconds, renews the heartbeat."""
        now = time.monotonic()
        if now - self._last_shown >= SECONDS_BETWEEN_STEPS:
            self.show_step(step)
        if now - self._last_beat >= SECONDS_BETWEEN_BEATS:
            self._folder.set_state("running", step=step, total_steps=total_steps)
            self._events.flush()
            self._last_beat = time.monotonic()

    def show_step(self, step: int) -> None:
        """Shows how many steps are done."""
        self._send(RunProgressed(self._index, step))
        self._last_shown = time.monotonic()

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Shows and logs the epoch, and flushes what was written."""
        self._send(EpochEnded(self._index, epoch, epochs, dict(scalars)))
        self._events.flush()
        figures = "  ".join(f"{tag} {value:.6g}" for tag, value in scalars.items())
        self._folder.say(f"epoch {epoch}/{epochs}  {figures}")

    def show_image(self, tag: str, image: Image, description: str) -> None:
        """Puts a picture into TensorBoard, at step 0, with a description in Markdown."""
        self._events.write(image_event, tag, image, description, time.time())

    def show_graph(self, nodes: Sequence[GraphNode]) -> None:
        """Puts the network's graph into TensorBoard."""
        self._events.write(graph_event, nodes, time.time())

    def say(self, line: str) -> None:
        """Logs and shows a line."""
        self._folder.say(line)
        self._send(Said(line))

    def conclude(self, line: str) -> None:
        """Logs how the run ended, and shows it behind the run's name."""
        self._folder.say(line)
        self._send(Said(line, self._index))

    def sync(self) -> None:
        """Waits until the rows are on the disk."""
        self._metrics.sync()

    @property
    def rows_digest(self) -> str:
        """The SHA-256 of the rows, as they were written."""
        return self._metrics.digest

    def close(self, state: State) -> None:
        """Ends the TensorBoard session and closes the files."""
        self._folder.check()
        self._events.write(session_end_event, state, time.time())
        self._events.close()
        with contextlib.suppress(OSError):  # the disk that is full has been reported
            self._metrics.close()
