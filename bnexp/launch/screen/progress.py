"""How far the runs of a sweep are, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bnexp.config.load import RunSpec
from bnexp.launch.screen.events import EpochEnded, Event, RunEnded, RunProgressed, RunStarted
from bnexp.runs import ENDED, State
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

    @classmethod
    def of(cls, spec: RunSpec, steps: int) -> RunSize:
        """Returns the size of a run that takes so many optimiser steps."""
        config = spec.config
        return cls(spec.cell, spec.seed, config.train.epochs, steps, config.data.batch_size)


@dataclass
class RunningRun:
    """A run in progress."""

    size: RunSize
    started: float
    """By the clock, in seconds."""
    first_seen: tuple[float, int] | None = None
    """When a step of it was first reported, by the clock, and which; before that it starts up."""
    step: int = 0
    scalars: Mapping[str, float] = field(default_factory=dict)
    """The figures of its last epoch; empty before that."""

    @property
    def epoch(self) -> int:
        """The epoch that it is in, counted from 1."""
        done = self.step * self.size.epochs // max(1, self.size.steps)
        return min(done + 1, self.size.epochs)

    @property
    def steps_here(self) -> int:
        """The steps that were done since it was taken up."""
        return self.step - self.first_seen[1] + 1 if self.first_seen else 0


class WholeProgress:
    """How far several experiments are, of which one is trained after the other."""

    def __init__(self, runs: Mapping[str, int], done: int = 0) -> None:
        self._left = dict(runs)
        """By experiment, the runs that it may take at most, and that are not done."""
        self._done = done
        self._now = ""

    def begin(self, title: str) -> None:
        """Notes that an experiment is trained now."""
        self._now = title

    def note_run(self) -> None:
        """Notes that a run of this experiment has ended."""
        self._done += 1
        self._left[self._now] = max(0, self._left.get(self._now, 0) - 1)

    def finish(self) -> None:
        """Notes that this experiment needs no more runs."""
        self._left[self._now] = 0

    @property
    def text(self) -> str:
        """`5 normalization-batch; 120 of at most 940 runs of all done`."""
        total = self._done + sum(self._left.values())
        return f"{self._now}; {self._done:,} of at most {total:,} runs of all done"


class SweepProgress:
    """Takes events and answers how far everything is."""

    def __init__(
        self,
        sizes: Sequence[RunSize],
        jobs: int = 1,
        clock: Callable[[], float] = time.monotonic,
        whole: WholeProgress | None = None,
    ) -> None:
        self.sizes = sizes
        self.whole = whole
        """That of all experiments, if this is one of several."""
        self.running: dict[int, RunningRun] = {}
        self.ended: Counter[State] = Counter()
        self._jobs = jobs
        self._clock = clock
        self._begun = clock()
        self._waiting = set(range(len(sizes)))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._steps: Counter[str] = Counter()
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
        left = sum(steps for _, steps in self._left())
        return 1.0 - left / max(1, sum(size.steps for size in self.sizes))

    def take(self, event: Event) -> None:
        """Notes an event."""
        match event:
            case RunStarted(index):
                self._waiting.discard(index)
                self.running[index] = RunningRun(self.sizes[index], self._clock())
            case RunProgressed(index, step):
                run = self.running[index]
                run.first_seen = run.first_seen or (self._clock(), step)
                run.step = step
            case EpochEnded(index, scalars=scalars):
                self.running[index].scalars = scalars
            case RunEnded(index, state):
                self.ended[state] += 1
                if self.whole and state in ENDED:
                    self.whole.note_run()
                if index in self.running:
                    self._note_spent(self.running.pop(index), state)

    def speed(self, run: RunningRun) -> float | None:
        """Returns images per second since the run's first step, evaluation included."""
        seconds, steps = self._pace(run)
        return steps * run.size.batch_size / seconds if steps and seconds > 0 else None

    def seconds_left(self, run: RunningRun | None = None) -> float | None:
        """Returns about how long a run, or all that is left, will take; None if unknown."""
        left = self._left() if run is None else [(run.size, run.size.steps - run.step)]
        paces = ((self._seconds_per_step(size), steps) for size, steps in left)
        seconds = [pace * steps for pace, steps in paces if pace is not None]
        is_known = len(seconds) == len(left)
        return sum(seconds) / max(1, min(self._jobs, len(left))) if is_known else None

    def _left(self) -> list[tuple[RunSize, int]]:
        """Returns the runs that have not ended, each with the steps that it has left."""
        left = [(run.size, run.size.steps - run.step) for run in self.running.values()]
        return left + [(self.sizes[index], self.sizes[index].steps) for index in self._waiting]

    def _pace(self, run: RunningRun) -> tuple[float, int]:
        """Returns how long a run has been doing how many steps, without its start-up."""
        if run.first_seen is None:
            return 0.0, 0
        moment, step = run.first_seen
        return self._clock() - moment, run.step - step

    def _note_spent(self, run: RunningRun, state: State) -> None:
        if run.steps_here < 1:
            return
        if state == "finished":  # its last steps need not have been reported
            run.step = run.size.steps
        self._seconds[run.size.cell] += self._clock() - run.started
        self._steps[run.size.cell] += run.steps_here

    def _seconds_per_step(self, size: RunSize) -> float | None:
        """Returns what a step took in the run's cell, else in all cells per image."""
        seconds, steps = self._seconds.copy(), self._steps.copy()
        for run in self.running.values():
            more_seconds, more_steps = self._pace(run)
            seconds[run.size.cell] += more_seconds
            steps[run.size.cell] += more_steps
        if steps[size.cell]:
            return seconds[size.cell] / steps[size.cell]
        batch_sizes = {one.cell: one.batch_size for one in self.sizes}
        images = sum(batch_sizes[cell] * number for cell, number in steps.items())
        if not images:
            return None
        return sum(seconds[cell] for cell in steps if steps[cell]) / images * size.batch_size


def describe_accuracy(scalars: Mapping[str, float]) -> str:
    """Returns the accuracy to watch, or nothing if there is none: `val 61.2 %`."""
    found = (prefix for prefix in SHOWN_ACCURACIES if f"{prefix}/accuracy" in scalars)
    return next((f"{name} {format_percent(scalars[f'{name}/accuracy'])}" for name in found), "")
