"""What the steps since the last row add up to, on the device, so that no step waits for it."""

from __future__ import annotations

import torch
from torch import Tensor

from bnexp.training.evaluation import ScoreSum
from bnexp.training.saving.progress import Progress
from bnexp.training.step import StepResult


class Window:
    """Sums losses, hits and clipped shares; notes the first step whose loss is beyond `bound`."""

    def __init__(self, progress: Progress, bound: float, device: torch.device) -> None:
        self._score = ScoreSum(device, progress.window_totals)
        self._first_bad_step = torch.tensor(progress.first_bad_step, device=device)
        self._bad_loss = torch.tensor(progress.bad_loss, dtype=torch.float32, device=device)
        self._clipped: Tensor | float = progress.window_clipped
        self._bound = bound
        self._device = device

    @property
    def count(self) -> int:
        """The number of images summed over."""
        return self._score.count

    def add(self, step: int, result: StepResult, targets: Tensor) -> None:
        """Adds a step, whose number counts from 1."""
        self._score.add(result.loss, result.logits, targets)
        if result.clipped is not None:
            self._clipped = self._clipped + result.clipped * len(targets)
        is_first_bad = ~(result.loss <= self._bound) & (self._first_bad_step < 0)
        self._first_bad_step = torch.where(is_first_bad, step, self._first_bad_step)
        self._bad_loss = torch.where(is_first_bad, result.loss, self._bad_loss)

    def write_to(self, progress: Progress) -> None:
        """Sets the window's fields of a progress; waits for the device."""
        progress.window_totals = self._score.read()
        progress.window_clipped = float(self._clipped)
        progress.first_bad_step = int(self._first_bad_step)
        progress.bad_loss = float(self._bad_loss)

    def clear(self) -> None:
        """Starts the next window."""
        self._score = ScoreSum(self._device)
        self._clipped = 0.0
