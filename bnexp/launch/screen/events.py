"""What happens while runs train: small and plain, so that it can be sent between processes.

`index` is always a run's place, from 0, in the list of runs to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.runs import State


@dataclass(frozen=True)
class RunStarted:
    """A process has started to work on a run, perhaps for the second time."""

    index: int


@dataclass(frozen=True)
class RunProgressed:
    """A run has done this many optimiser steps."""

    index: int
    step: int


@dataclass(frozen=True)
class EpochEnded:
    """A run has finished an epoch, counted from 1, with these figures."""

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
    """A line for the user, about the run with this index if there is one."""

    line: str
    index: int | None = None


Event = RunStarted | RunProgressed | EpochEnded | RunEnded | Said


def say_nothing(_: str) -> None:
    """Drops a line that the user has read before, or reads elsewhere."""
