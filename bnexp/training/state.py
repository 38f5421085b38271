"""How far a run is: all that its next step depends on, besides network and optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt
from torch import Tensor

from bnexp.training.evaluation import PlainScoreSum, ScoreSum


class Progress(BaseModel):
    """A `TrainingState` in plain types, as a checkpoint holds it; wrong types are refused.

    No state of a random generator is needed: data order, augmentation and dropout are
    functions of seed, epoch and step.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    step: NonNegativeInt = 0
    """Optimiser steps done."""
    epoch: NonNegativeInt = 0
    """Epochs done, their evaluation included."""
    step_in_epoch: NonNegativeInt = 0
    """Steps done of the epoch in progress; all of them while it is being evaluated."""
    rows: NonNegativeInt = 0
    """Rows of metrics recorded."""
    elapsed_seconds: float = 0.0
    """Time spent on the run, evaluation and saving included, work that was lost left out."""
    train_seconds: float = 0.0
    """Time spent in training steps whose row has been recorded."""
    epoch_seconds: float = 0.0
    """That of the epoch in progress."""
    window_seconds: float = 0.0
    """Time spent in steps since the last row."""
    images_seen: NonNegativeInt = 0
    epoch_score: PlainScoreSum = (0.0, 0.0, 0)
    """Of the rows of the epoch in progress."""
    window_score: PlainScoreSum = (0.0, 0.0, 0)
    """Of the steps since the last row."""
    first_bad_step: int = -1
    """The first step whose loss was beyond its bound; -1 where there was none."""
    bad_loss: float = 0.0
    history: dict[str, list[float]] = {}
    """One value for each epoch done, by tag; the best epoch follows from it."""
    final: dict[str, float] = {}
    """The final figures, once they have been measured."""
    peak_memory_bytes: NonNegativeInt = 0

    def find_problem(self, epochs: int, steps_per_epoch: int) -> str | None:
        """Returns what cannot be in a run of that many epochs and steps, or None."""
        counted = self.epoch * steps_per_epoch + self.step_in_epoch
        if self.step != counted or self.step_in_epoch > steps_per_epoch:
            return (
                f"step {self.step} is not step {self.step_in_epoch} of {steps_per_epoch} "
                f"after {self.epoch} epochs"
            )
        if self.step > epochs * steps_per_epoch:
            return f"step {self.step} is beyond the run's end"
        if any(len(values) != self.epoch for values in self.history.values()):
            return f"the history is not of {self.epoch} epochs"
        return None


@dataclass
class TrainingState:
    """The live form of `Progress`: what is summed while training lies on the device."""

    epoch_score: ScoreSum
    window_score: ScoreSum
    first_bad_step: Tensor
    bad_loss: Tensor
    history: dict[str, list[float]]
    final: dict[str, float]
    step: int
    epoch: int
    step_in_epoch: int
    rows: int
    elapsed_seconds: float
    train_seconds: float
    epoch_seconds: float
    window_seconds: float
    images_seen: int
    peak_memory_bytes: int

    @classmethod
    def of(cls, progress: Progress, device: torch.device) -> TrainingState:
        """Returns the state on a device."""
        content = dict(progress)
        # Copies, so that the state can grow and the progress stays what it was.
        content["history"] = {tag: list(values) for tag, values in progress.history.items()}
        content["final"] = dict(progress.final)
        content["epoch_score"] = ScoreSum.of(progress.epoch_score, device)
        content["window_score"] = ScoreSum.of(progress.window_score, device)
        content["first_bad_step"] = torch.full(
            (), progress.first_bad_step, dtype=torch.int64, device=device
        )
        content["bad_loss"] = torch.tensor(progress.bad_loss, dtype=torch.float32, device=device)
        return cls(**content)

    def to_progress(self) -> Progress:
        """Returns the state in plain types; waits for the device."""
        content = {
            **vars(self),
            "epoch_score": self.epoch_score.to_plain(),
            "window_score": self.window_score.to_plain(),
            "first_bad_step": int(self.first_bad_step),
            "bad_loss": float(self.bad_loss),
            "history": {tag: list(values) for tag, values in self.history.items()},
            "final": dict(self.final),
        }
        return Progress(**content)

    def watch(self, loss: Tensor, bound: float) -> None:
        """Notes the first step whose loss is beyond its bound, without waiting for the device.

        To be called before `step` counts the step that the loss is of.
        """
        is_first_bad = ~(loss <= bound) & (self.first_bad_step < 0)
        self.first_bad_step = torch.where(is_first_bad, self.step + 1, self.first_bad_step)
        self.bad_loss = torch.where(is_first_bad, loss, self.bad_loss)

    def end_window(self, seconds: float) -> None:
        """Adds the steps since the last row to the epoch's."""
        self.train_seconds += seconds
        self.epoch_seconds += seconds
        self.images_seen += self.window_score.count
        self.epoch_score.add_sum(self.window_score)
        self.window_score = self.window_score.cleared()
        self.window_seconds = 0.0

    def end_epoch(self, scalars: Mapping[str, float]) -> None:
        """Appends the epoch's figures to the history and starts the next epoch."""
        for tag, value in scalars.items():
            self.history.setdefault(tag, []).append(value)
        self.epoch += 1
        self.step_in_epoch = 0
        self.epoch_seconds = 0.0
        self.epoch_score = self.epoch_score.cleared()

    def last(self) -> dict[str, float]:
        """Returns the last epoch's scalars."""
        return {tag: values[-1] for tag, values in self.history.items()}

    def best(self, tag: str = "val/accuracy") -> dict[str, float]:
        """Returns the scalars of the first epoch with the highest value of `tag`, and `epoch`."""
        values = self.history.get(tag, [])
        if not values:
            return {}
        index = values.index(max(values))
        return {**{key: series[index] for key, series in self.history.items()}, "epoch": index + 1}
