"""Shows training as it goes: a live bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_UPDATES = 0.1


class Display:
    """Says one line an epoch; on a terminal a bar below shows the run and the sweep."""

    def __init__(self, console: Console, num_runs: int, steps_of_all: int) -> None:
        self._console = console
        self._num_runs = num_runs
        self._steps_of_all = steps_of_all
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._steps_before = 0
        self._index = 0
        self._name = ""
        self._last_update = 0.0

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("steps"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._steps_of_all)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Prints a line, above the bar where there is one."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def start_run(self, index: int, name: str) -> None:
        """Names the run that starts, the `index`-th of all (counted from 1)."""
        self._index, self._name = index, name
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"run {index}/{self._num_runs}")

    def progress(self, step: int) -> None:
        """Moves the bar to a step of the run in progress."""
        now = time.monotonic()
        if self._bar is None or self._task is None:
            return
        if now - self._last_update >= SECONDS_BETWEEN_UPDATES:
            self._bar.update(self._task, completed=self._steps_before + step)
            self._last_update = now

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Prints an epoch's figures."""
        accuracies = [
            f"{prefix} {scalars[f'{prefix}/accuracy']:.1%}"
            for prefix in ("train", "val", "test")
            if f"{prefix}/accuracy" in scalars
        ]
        parts = [
            f"[{self._index}/{self._num_runs}] {self._name}",
            f"epoch {epoch}/{epochs}",
            f"loss {scalars['train/loss']:.3f}",
            f"accuracy {' '.join(accuracies)}",
            f"{scalars['perf/images_per_second']:,.0f} images/s",
        ]
        self.say("  ".join(parts))

    def end_run(self, steps: int) -> None:
        """Counts a run's planned steps as done, however many it took."""
        self._steps_before += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._steps_before)
