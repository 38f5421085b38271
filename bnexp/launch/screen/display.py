"""Shows training as it goes: a live table on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bnexp.console import FoldedName, open_table
from bnexp.launch.screen.events import EpochEnded, Event, RunEnded, Said
from bnexp.launch.screen.output import print_line
from bnexp.launch.screen.progress import SweepProgress, describe_accuracy
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
        print_line(self._console, _describe(event, self._progress))


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
            line = "  ".join(("finished", *describe_figures(run.scalars)))
            self._print(Said(line, event.index))

    def render(self) -> RenderableType:
        """Returns the table, the bar and the counts as they are now."""
        with self._lock:
            # The last line is not filled up: the terminal's ^C must still fit behind it.
            table = _draw_runs(self._progress, self._console.width)
            whole = self._progress.whole
            above = [_draw_line(whole.text)] if whole else []
            return Group(*above, table, _draw_bar(self._progress), self._count())

    def _count(self) -> Text:
        progress = self._progress
        ended = ((progress.ended[state], state) for state in ORDER_OF_STATES)
        counts = [f"{number} {state}" for number, state in ended if number]
        counts += [f"{len(progress.running)} running", f"{progress.to_do} to do"]
        left = progress.seconds_left()
        words = "" if left is None else f", about {format_duration(round(left))} left"
        times = f"{format_duration(round(progress.seconds))} so far{words}"
        return _draw_line(f"{', '.join(counts)}; {times}")


def _draw_line(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)


def _describe(event: Said | EpochEnded, progress: SweepProgress) -> str:
    if isinstance(event, EpochEnded):
        return describe_epoch(event, progress)
    return (
        event.line
        if event.index is None
        else f"{_describe_run(event.index, progress)}  {event.line}"
    )


def describe_epoch(event: EpochEnded, progress: SweepProgress) -> str:
    """Returns an epoch's figures in one line."""
    parts = [
        _describe_run(event.index, progress),
        f"epoch {event.epoch}/{event.epochs}",
        *describe_figures(event.scalars),
        f"{format_speed(event.scalars['perf/images_per_second'])} images/s",
    ]
    return "  ".join(parts)


def describe_figures(scalars: Mapping[str, float]) -> list[str]:
    """Returns the training loss and every accuracy: `loss 0.812`, `accuracy train 71.0 % …`."""
    accuracies = [
        f"{prefix} {format_percent(scalars[f'{prefix}/accuracy'])}"
        for prefix in ("train", "val", "test")
        if f"{prefix}/accuracy" in scalars
    ]
    found = [f"loss {scalars['train/loss']:.3f}"] if "train/loss" in scalars else []
    return found + ([f"accuracy {' '.join(accuracies)}"] if accuracies else [])


def _describe_run(index: int, progress: SweepProgress) -> str:
    size = progress.sizes[index]
    return f"[{index + 1}/{len(progress.sizes)}] {size.cell} seed={size.seed}"


def _draw_runs(progress: SweepProgress, width: int) -> Table:
    # Widths that numbers fit that grow: a table that moves is hard to read.
    steps = max(len(f"{size.steps}") for size in progress.sizes)
    widths = {"seed": 4, "epoch": 5, "step": 2 * steps + 1, "loss": 6, "accuracy": 11,
              "images/s": 8, "left": 8}  # fmt: skip
    longest = max(len(size.cell) for size in progress.sizes)
    if longest + sum(widths.values()) + 2 * len(widths) > width:
        del widths["step"]
    table = open_table("cell", *widths, numbers=widths)
    table.expand = True
    table.columns[0].ratio = 1
    for column, least in zip(table.columns[1:], widths.values(), strict=True):
        column.min_width, column.no_wrap = least, True
    for _, run in sorted(progress.running.items()):
        speed, left = progress.speed(run), progress.seconds_left(run)
        texts = {
            "seed": str(run.size.seed),
            "epoch": f"{run.epoch}/{run.size.epochs}",
            "step": f"{run.step}/{run.size.steps}",
            "loss": f"{run.scalars['train/loss']:.3f}" if run.scalars else "",
            "accuracy": describe_accuracy(run.scalars),
            "images/s": "" if speed is None else format_speed(speed),
            "left": "" if left is None else format_duration(round(left)),
        }
        table.add_row(FoldedName(run.size.cell), *(texts[title] for title in widths))
    return table


def _draw_bar(progress: SweepProgress) -> Table:
    bar = Table.grid(expand=True)  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=1.0, completed=progress.done_share))
    return bar
