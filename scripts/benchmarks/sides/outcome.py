"""What a side did in a round, and how its pictures are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Outcome:
    """One run of a side."""

    accuracy: float
    """On the test pictures after the last epoch, in [0, 1]."""
    training_seconds: float | None = None
    """Without evaluation and files; None if the side does not keep them apart."""
    last_seconds: float = 0.0
    """Of the evaluation on training pictures at the end, which only bnexp and the floor do."""
    seconds: float = 0.0
    """From the pictures in memory to the end of the run."""
    steps: int = 0
    """Backward passes, counted from outside the side."""
    images: int = 0
    """Pictures whose loss was passed back, likewise."""

    @property
    def shared_seconds(self) -> float:
        """Those of the work that every side does."""
        return self.seconds - self.last_seconds


Run = Callable[[], Outcome]
"""Trains; what it takes is timed."""
Side = Callable[[int], Run]
"""Given a seed, makes everything ready that is not timed."""


class Counter:
    """Counts pictures whose loss goes backward, whoever trains on them."""

    def __init__(self) -> None:
        self.steps = self.images = 0
        self._waiting = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts what is trained inside."""
        compute_loss, go_backward = functional.cross_entropy, Tensor.backward

        def note_loss(logits: Tensor, targets: Tensor, *rest: Any, **named: Any) -> Tensor:  # noqa: ANN401
            if logits.requires_grad:
                self._waiting = len(targets)
            return compute_loss(logits, targets, *rest, **named)

        def note_backward(loss: Tensor, *rest: Any, **named: Any) -> None:  # noqa: ANN401
            self.steps += 1
            self.images += self._waiting
            self._waiting = 0
            go_backward(loss, *rest, **named)

        with (
            mock.patch.object(functional, "cross_entropy", note_loss),
            mock.patch.object(torch.Tensor, "backward", note_backward),
        ):
            yield


def time_run(run: Run) -> Outcome:
    """Runs a side, and adds the time it took and what it trained."""
    counter = Counter()
    with counter.counting():
        started = time.perf_counter()
        outcome = run()
        seconds = time.perf_counter() - started
    return replace(outcome, seconds=seconds, steps=counter.steps, images=counter.images)
