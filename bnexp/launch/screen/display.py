"""Shows training as it goes: a live table on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bnexp.launch.screen.events import EpochEnded, Event, RunEnded, Said
from bnexp.launch.screen.progress import SweepProgress
from bnexp.runs import State
from bnexp.wording import format_duration, format_percent, format_speed

REFRESHES_PER_SECOND = 4
ORDER_OF_STATES: tuple[State, ...] = ("finished", "diverged", "failed", "interrupted")


@contextlib.contextmanager
def open_display(console: Console, progress: SweepProgress) -> Iterator[Callable[[Event], None]]:
    """Gives what shows events: a live table on a terminal, else, or if NO_COLOR is set, lines."""
    if not console.is_terminal or console.is_dumb_terminal or os.environ.get("NO_COLOR"):
        yield LineDisplay(console, progress).show
        return
    display = LiveDisplay(console, progress)
    with Live(
        get_renderable=display.render,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    ):
        yield display.show


class LineDisplay:
    """Prints one line per epoch, and messages."""

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        self._console = console
        self._progress = progress

    def show(self, event: Event) -> None:
        """Shows an event."""
        self._progress.take(event)
        if isinstance(event, Said | EpochEnded):
            self._print(event)

    def _print(self, event: Said | EpochEnded) -> None:
        line = event.line if isinstance(event, Said) else describe_epoch(event, self._progress)
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class LiveDisplay(LineDisplay):
    """Keeps a table of the runs in progress below the messages.

    A sweep prints one line per finished run; a single run prints one per epoch.
    """

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        super().__init__(console, progress)
        # The table is drawn by a thread of its own.
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        """Shows an event."""
        with self._lock:
            run = self._progress.running.get(event.index) if isinstance(event, RunEnded) else None
            self._progress.take(event)
        is_alone = len(self._progress.sizes) == 1
        if isinstance(event, Said) or (isinstance(event, EpochEnded) and is_alone):
            self._print(event)
        elif run and isinstance(event, RunEnded) and event.state == "finished" and not is_alone:
            name = _describe_run(event.index, self._progress)
            self._print(Said("  ".join(filter(None, (name, "finished", run.accuracy)))))

    def render(self) -> RenderableType:
        """Returns the table, the bar and the counts as they are now."""
        with self._lock:
            # The last line is not filled up: the terminal's ^C must still fit behind it.
            return Group(_draw_runs(self._progress), _draw_bar(self._progress), self._count())

    def _count(self) -> Text:
        progress = self._progress
        ended = ((progress.ended[state], state) for state in ORDER_OF_STATES)
        counts = [f"{number} {state}" for number, state in ended if number]
        counts += [f"{len(progress.running)} running", f"{progress.to_do} to do"]
        left = progress.seconds_left()
        words = "" if left is None else f", about {format_duration(round(left))} left"
        times = f"{format_duration(round(progress.seconds))} so far{words}"
        return Text(f"{', '.join(counts)}; {times}", overflow="ellipsis", no_wrap=True)


def describe_epoch(event: EpochEnded, progress: SweepProgress) -> str:
    """Returns an epoch's figures in one line."""
    scalars = event.scalars
    accuracies = [
        f"{prefix} {format_percent(scalars[f'{prefix}/accuracy'])}"
        for prefix in ("train", "val", "test")
        if f"{prefix}/accuracy" in scalars
    ]
    parts = [
        _describe_run(event.index, progress),
        f"epoch {event.epoch}/{event.epochs}",
        f"loss {scalars['train/loss']:.3f}",
        f"accuracy {' '.join(accuracies)}",
        f"{format_speed(scalars['perf/images_per_second'])} images/s",
    ]
    return "  ".join(parts)


def _describe_run(index: int, progress: SweepProgress) -> str:
    size = progress.sizes[index]
    return f"[{index + 1}/{len(progress.sizes)}] {size.cell} seed={size.seed}"


def _draw_runs(progress: SweepProgress) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    table.add_column("cell", overflow="ellipsis", no_wrap=True, ratio=1)
    # Widths that numbers fit that grow: a table that moves is hard to read.
    steps = max(len(f"{size.steps}") for size in progress.sizes)
    widths = {"seed": 4, "epoch": 5, "step": 2 * steps + 1, "loss": 6, "accuracy": 11,
              "images/s": 8, "left": 8}  # fmt: skip
    for title, width in widths.items():
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    for _, run in sorted(progress.running.items()):
        speed, left = progress.speed(run), progress.seconds_left(run)
        table.add_row(
            Text(run.size.cell),
            str(run.size.seed),
            f"{run.epoch}/{run.size.epochs}",
            f"{run.step}/{run.size.steps}",
            run.loss,
            run.accuracy,
            "" if speed is None else format_speed(speed),
            "" if left is None else format_duration(round(left)),
        )
    return table


def _draw_bar(progress: SweepProgress) -> Table:
    bar = Table.grid(expand=True)  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=1.0, completed=progress.done_share))
    return bar
