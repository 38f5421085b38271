"""Sides measured in turns, medians of ratios, and their bootstrap intervals."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")
RESAMPLES = 10_000
THREADS = torch.get_num_threads()
"""PyTorch's own choice, read before anything changes it."""


@dataclass(frozen=True)
class Interval:
    """A median over rounds with its 95 % percentile bootstrap interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Computes it; a function of the values alone."""
        draws = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLES, len(values)))
        low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
        return cls(statistics.median(values), float(low), float(high))

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def divide(values: Sequence[float], base: Sequence[float]) -> Interval:
    """Returns the ratio to a base that was measured in the same rounds."""
    return Interval.of([value / other for value, other in zip(values, base, strict=True)])


def in_turns(
    sides: Mapping[str, Callable[[int], T]],
    rounds: int,
    seed: int,
    say: Callable[[str], None],
    threads: int = THREADS,
) -> dict[str, list[T]]:
    """Returns what each side returned in each round; the order within a round is random.

    A side is given a seed that no other side and round has.
    """
    shuffled = random.Random(seed)
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        order = list(enumerate(sides))
        shuffled.shuffle(order)
        for place, name in order:
            reset_torch(threads)
            found[name].append(sides[name](1000 * number + place))
            say(f"round {number} of {rounds}: {name}")
    return found


def reset_torch(threads: int) -> None:
    """Undoes what bnexp sets for repeatable runs, so that it slows no other side."""
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = False
    torch.set_num_threads(threads)
