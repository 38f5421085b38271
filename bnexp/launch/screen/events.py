"""What launchers tell while runs train; small, plain, and fit to be sent between processes.

`index` is always a run's place, from 0, in the list of runs to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bnexp.runs import State

SECONDS_BETWEEN_STEPS = 0.2
"""Steps are told no more often than this."""


@dataclass(frozen=True)
class RunStarted:
    """A run has been taken up, perhaps a second time."""

    index: int


@dataclass(frozen=True)
class RunProgressed:
    """A run has done so many optimiser steps."""

    index: int
    step: int


@dataclass(frozen=True)
class EpochEnded:
    """A run has ended an epoch, counted from 1, with these figures."""

    index: int
    epoch: int
    epochs: int
    scalars: Mapping[str, float]


@dataclass(frozen=True)
class RunEnded:
    """A run is no longer worked on."""

    index: int
    state: State


@dataclass(frozen=True)
class Said:
    """A line for the user."""

    line: str


Event = RunStarted | RunProgressed | EpochEnded | RunEnded | Said


class Display(Protocol):
    """Shows what happens."""

    def show(self, event: Event) -> None:
        """Shows an event."""


def say_nothing(_: str) -> None:
    """Takes a line that the user has read before, or that is said elsewhere."""


class Reporter:
    """Turns what one run's recorder shows into events."""

    def __init__(self, index: int, send: Callable[[Event], None]) -> None:
        self._index = index
        self._send = send
        self._last_progress = 0.0

    def say(self, line: str) -> None:
        """Tells a line."""
        self._send(Said(line))

    def progress(self, step: int) -> None:
        """Tells how many steps are done, a few times a second."""
        now = time.monotonic()
        if now - self._last_progress >= SECONDS_BETWEEN_STEPS:
            self._send(RunProgressed(self._index, step))
            self._last_progress = now

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Tells an epoch's figures."""
        self._send(EpochEnded(self._index, epoch, epochs, dict(scalars)))
