"""What the steps since the last row add up to, read together so that no step waits for it."""

from __future__ import annotations

import torch
from torch import Tensor

from bnexp.training.evaluation import ScoreSum
from bnexp.training.saving.progress import Progress
from bnexp.training.step import StepResult


class Window:
    """Sums losses, hits and clipped shares; finds the first step whose loss is beyond `bound`."""

    def __init__(self, progress: Progress, bound: float) -> None:
        self._score = ScoreSum(progress.window_totals)
        self._losses: dict[int, Tensor] = {}
        self._clipped: list[Tensor] = []
        self._bound = bound

    def add(self, step: int, result: StepResult, targets: Tensor) -> None:
        """Adds a step, whose number counts from 1."""
        self._score.add(result.loss, result.logits, targets)
        self._losses[step] = result.loss
        if result.clipped is not None:
            self._clipped.append(result.clipped * len(targets))

    def write_to(self, progress: Progress) -> None:
        """Adds the steps since the last call to a progress; waits for the device."""
        progress.window_totals = self._score.read()
        if self._clipped:
            progress.window_clipped += sum(torch.stack(self._clipped).tolist())
        if self._losses and progress.first_bad_step < 0:
            self._note_bad_loss(progress)
        self._losses, self._clipped = {}, []

    def _note_bad_loss(self, progress: Progress) -> None:
        losses = torch.stack([*self._losses.values()]).tolist()
        for step, loss in zip(self._losses, losses, strict=True):
            if not loss <= self._bound:  # NaN is not
                progress.first_bad_step, progress.bad_loss = step, loss
                return

    def clear(self) -> None:
        """Starts the next window."""
        self._score = ScoreSum()
