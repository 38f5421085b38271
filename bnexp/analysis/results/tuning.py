"""How the values of tuned keys were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.runs.record import Scalar
from bnexp.wording import write_value


@dataclass(frozen=True)
class Trial:
    """One combination of values that tuning tried."""

    values: Mapping[str, Scalar]
    mean: float | None
    """Of what was to be best, over the runs that finished; None without any."""
    n: int
    diverged: int


@dataclass(frozen=True)
class Tuning:
    """What was tried for a cell before its measured runs, and what was chosen."""

    over: Mapping[str, tuple[Scalar, ...]]
    by: str
    seeds: tuple[int, ...]
    arm: Mapping[str, Scalar]
    """The keys and values of the cells that were tuned for others; empty if all were."""
    each: Mapping[str, Scalar]
    """The keys and values that cells share which were tuned together; empty without such keys."""
    chosen: Mapping[str, Scalar]
    at_edge: tuple[str, ...]
    """Keys whose chosen value is the smallest or largest of those tried."""
    trials: tuple[Trial, ...]

    @property
    def design(self) -> tuple[object, ...]:
        """What two cells must share for their tuned keys to differ fairly."""
        over = tuple((key, *values) for key, values in self.over.items())
        runs = max((trial.n + trial.diverged for trial in self.trials), default=0)
        return over, runs, self.by, self.seeds, tuple(self.arm.items()), tuple(self.each)

    @property
    def place(self) -> str:
        """The cells that were tried: what they share; empty if it is the cell itself."""
        shared = {**self.each, **self.arm}
        return ", ".join(f"{key}={write_value(value)}" for key, value in shared.items())

    @property
    def shares(self) -> bool:
        """Whether the choice may be used for several cells."""
        return bool(self.arm or self.each)


@dataclass(frozen=True)
class TunedCells:
    """The cells that share one tuning, and what it found."""

    cells: tuple[str, ...]
    tuning: Tuning
