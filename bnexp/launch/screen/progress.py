"""How far the runs of a sweep are, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bnexp.launch.screen.events import EpochEnded, Event, RunEnded, RunProgressed, RunStarted
from bnexp.runs import State
from bnexp.wording import format_percent

SHOWN_ACCURACIES = ("val", "test", "train")
"""The first of these that a run measures is shown while it trains."""


@dataclass(frozen=True)
class RunSize:
    """What a display must know about a run before it starts."""

    cell: str
    seed: int
    epochs: int
    steps: int
    batch_size: int

    @property
    def name(self) -> str:
        """The run in words."""
        return f"{self.cell} seed={self.seed}"


@dataclass
class RunningRun:
    """A run in progress."""

    size: RunSize
    started: float
    """By the clock, in seconds."""
    first_step: int | None = None
    """The steps that it had done when it was taken up; None before its first step."""
    first_seen: tuple[float, int] | None = None
    """When a step of it was first reported, by the clock, and which; before that it starts up."""
    step: int = 0
    accuracy: str = ""

    @property
    def epoch(self) -> int:
        """The epoch that it is in, counted from 1."""
        done = self.step * self.size.epochs // max(1, self.size.steps)
        return min(done + 1, self.size.epochs)

    @property
    def steps_here(self) -> int:
        """The steps that were done since it was taken up."""
        return self.step - (self.first_step or 0)


class SweepProgress:
    """Takes events and answers how far everything is."""

    def __init__(
        self,
        sizes: Sequence[RunSize],
        jobs: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sizes = sizes
        self.running: dict[int, RunningRun] = {}
        self.ended: Counter[State] = Counter()
        self._jobs = jobs
        self._clock = clock
        self._begun = clock()
        self._waiting = set(range(len(sizes)))
        self._spent: dict[str, tuple[float, int]] = {}
        """By cell, the seconds and steps of runs that are no longer in progress."""

    @property
    def to_do(self) -> int:
        """The number of runs that have not started."""
        return len(self._waiting)

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return self._clock() - self._begun

    @property
    def done_share(self) -> float:
        """The share of all optimiser steps that is done, in [0, 1]."""
        return 1.0 - self._steps_left() / max(1, sum(size.steps for size in self.sizes))

    def take(self, event: Event) -> None:
        """Notes an event."""
        match event:
            case RunStarted(index):
                self._waiting.discard(index)
                self.running[index] = RunningRun(self.sizes[index], self._clock())
            case RunProgressed(index, step):
                run = self.running[index]
                run.first_step = step - 1 if run.first_step is None else run.first_step
                run.first_seen = run.first_seen or (self._clock(), step)
                run.step = step
            case EpochEnded(index, scalars=scalars):
                self.running[index].accuracy = describe_accuracy(scalars)
            case RunEnded(index, state):
                self.ended[state] += 1
                if index in self.running:
                    self._note_spent(self.running.pop(index), state)

    def speed(self, run: RunningRun) -> float | None:
        """Returns images per second since the run's first step, evaluation included."""
        seconds, steps = self._pace(run)
        return steps * run.size.batch_size / seconds if steps and seconds > 0 else None

    def seconds_left(self, run: RunningRun | None = None) -> float | None:
        """Returns about how long a run, or all that is left, will take; None if unknown."""
        if run is not None:
            step = self._seconds_per_step(run.size)
            return None if step is None else step * (run.size.steps - run.step)
        left = [(r.size, r.size.steps - r.step) for r in self.running.values()]
        left += [(self.sizes[index], self.sizes[index].steps) for index in self._waiting]
        seconds = 0.0
        for size, steps in left:
            step = self._seconds_per_step(size)
            if step is None:
                return None
            seconds += step * steps
        return seconds / max(1, min(self._jobs, len(left)))

    def _pace(self, run: RunningRun) -> tuple[float, int]:
        """Returns how long a run has been doing how many steps, without its start-up."""
        if run.first_seen is None:
            return 0.0, 0
        moment, step = run.first_seen
        return self._clock() - moment, run.step - step

    def _steps_left(self) -> int:
        waiting = sum(self.sizes[index].steps for index in self._waiting)
        return waiting + sum(run.size.steps - run.step for run in self.running.values())

    def _note_spent(self, run: RunningRun, state: State) -> None:
        if run.steps_here < 1:
            return
        if state == "finished":  # its last steps need not have been reported
            run.step = run.size.steps
        steps = run.steps_here
        seconds, before = self._spent.get(run.size.cell, (0.0, 0))
        spent = seconds + self._clock() - run.started
        self._spent[run.size.cell] = (spent, before + steps)

    def _seconds_per_step(self, size: RunSize) -> float | None:
        """Returns what a step took in the run's cell, else in all cells per image."""
        seconds_by_cell = dict(self._spent)
        images = 0.0
        for run in self.running.values():
            seconds, steps = seconds_by_cell.get(run.size.cell, (0.0, 0))
            more_seconds, more_steps = self._pace(run)
            seconds_by_cell[run.size.cell] = (seconds + more_seconds, steps + more_steps)
        seconds, steps = seconds_by_cell.get(size.cell, (0.0, 0))
        if steps:
            return seconds / steps
        batch_sizes = {one.cell: one.batch_size for one in self.sizes}
        known = {cell: spent for cell, spent in seconds_by_cell.items() if spent[1]}
        images = sum(steps * batch_sizes[cell] for cell, (_, steps) in known.items())
        if not images:
            return None
        return sum(seconds for seconds, _ in known.values()) / images * size.batch_size


def describe_accuracy(scalars: Mapping[str, float]) -> str:
    """Returns the accuracy to watch: `val 61.2%`."""
    for prefix in SHOWN_ACCURACIES:
        if f"{prefix}/accuracy" in scalars:
            return f"{prefix} {format_percent(scalars[f'{prefix}/accuracy'])}"
    return ""
