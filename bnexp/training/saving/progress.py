"""How far a run is: all that its next step depends on, besides network and optimiser.

Imports no PyTorch, so that whether a run can be resumed is decided without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from bnexp.runs import CheckpointError
from bnexp.wording import count

ScoreTotals = tuple[float, float, NonNegativeInt]
"""Sum of losses, number of hits, and how many images they are of."""


class Progress(BaseModel):
    """The counters, sums and results of one run, in plain types; the loop updates them in place.

    No state of a random generator is needed: data order, augmentation and dropout are
    functions of seed, epoch and step.
    """

    # The sums of a run that has diverged are not finite.
    model_config = ConfigDict(strict=True, extra="forbid", ser_json_inf_nan="constants")

    step: NonNegativeInt = 0
    """Optimiser steps done."""
    epoch: NonNegativeInt = 0
    """Epochs done, their evaluation included."""
    step_in_epoch: NonNegativeInt = 0
    """Steps done in the current epoch; all of them while it is being evaluated."""
    rows: NonNegativeInt = 0
    """Rows of metrics recorded."""
    lost_rows: list[str] = []
    """Which of them were lost or altered before the run was continued, in sentences."""
    elapsed_seconds: float = 0.0
    """Time spent on the run, including evaluation and saving, but not work that was lost."""
    train_seconds: float = 0.0
    """Time spent in training steps whose row has been recorded."""
    epoch_seconds: float = 0.0
    """The part of `train_seconds` that belongs to the current epoch."""
    window_seconds: float = 0.0
    """Time spent in steps since the last row."""
    images_seen: NonNegativeInt = 0
    epoch_totals: ScoreTotals = (0.0, 0.0, 0)
    """Of the current epoch, up to its last row."""
    window_totals: ScoreTotals = (0.0, 0.0, 0)
    """Of the steps since the last row."""
    epoch_clipped: float = 0.0
    """The share of the gradient that was clipped, summed over the images of `epoch_totals`."""
    window_clipped: float = 0.0
    """The same over the images of `window_totals`."""
    first_bad_step: int = -1
    """The first step whose loss was beyond its bound; -1 if there was none."""
    bad_loss: float = 0.0
    history: dict[str, list[float]] = {}
    """One value per finished epoch, by tag; the best epoch follows from it."""
    evaluated_steps: list[NonNegativeInt] = []
    """The steps after which the network was evaluated, if it is not only after each epoch."""
    evaluations: dict[str, list[float]] = {}
    """One value per evaluated step, by tag."""
    final: dict[str, float] = {}
    """The final figures, once they have been measured."""
    peak_memory_bytes: NonNegativeInt = 0

    def go_beyond_end(self) -> Progress:
        """Returns the progress of a longer run where this one has ended.

        The figures that are measured once, after the last epoch, and their row are left out.
        """
        return self.model_copy(update={"final": {}, "rows": self.rows - bool(self.final)})

    def find_problem(self, epochs: int, steps_per_epoch: int) -> str | None:
        """Returns what is impossible in a run of that many epochs and steps, or None."""
        counted = self.epoch * steps_per_epoch + self.step_in_epoch
        if self.step != counted or self.step_in_epoch > steps_per_epoch:
            return (
                f"step {self.step} is not step {self.step_in_epoch} of {steps_per_epoch} "
                f"after {count(self.epoch, 'epoch')}"
            )
        if self.step > epochs * steps_per_epoch:
            return f"step {self.step} is beyond the run's end"
        if any(len(values) != len(self.evaluated_steps) for values in self.evaluations.values()):
            return f"the evaluations are not those of {len(self.evaluated_steps)} steps"
        if any(step > self.step for step in self.evaluated_steps):
            return f"an evaluation is beyond step {self.step}"
        if any(len(values) != self.epoch for values in self.history.values()):
            return f"the history does not cover {count(self.epoch, 'epoch')}"
        return None

    def end_window(self, totals: ScoreTotals, seconds: float) -> None:
        """Adds the totals of the steps since the last row to those of the epoch."""
        self.train_seconds += seconds
        self.epoch_seconds += seconds
        self.images_seen += totals[2]
        loss, hits, images = self.epoch_totals
        self.epoch_totals = (loss + totals[0], hits + totals[1], images + totals[2])
        self.epoch_clipped += self.window_clipped
        self.window_totals, self.window_seconds = (0.0, 0.0, 0), 0.0
        self.window_clipped = 0.0

    @property
    def is_evaluated(self) -> bool:
        """Whether an evaluation after the last step done has been noted."""
        return self.evaluated_steps[-1:] == [self.step]

    def note_evaluation(self, scalars: Mapping[str, float]) -> None:
        """Appends an evaluation after the last step done."""
        self.evaluated_steps.append(self.step)
        for tag, value in scalars.items():
            self.evaluations.setdefault(tag, []).append(value)

    def end_epoch(self, scalars: Mapping[str, float]) -> None:
        """Appends the epoch's figures to the history and starts the next epoch."""
        for tag, value in scalars.items():
            self.history.setdefault(tag, []).append(value)
        self.epoch += 1
        self.step_in_epoch = 0
        self.epoch_totals, self.epoch_seconds = (0.0, 0.0, 0), 0.0
        self.epoch_clipped = 0.0

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


class NetworkFrame(BaseModel):
    """What stands around a network when it is used: the images that it takes, and its classes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Height, width and channels."""
    class_names: tuple[str, ...]
    """In the order of the logits."""
    mean: tuple[float, ...]
    """Of each channel of the training images, whose pixels are in [0, 1]; images are normalised
    with it."""
    std: tuple[float, ...]
    """The standard deviation of each channel."""


class CheckpointMetadata(BaseModel):
    """What a resume needs to decide, as the JSON file beside a checkpoint's tensors holds it."""

    model_config = ConfigDict(strict=True, extra="forbid", ser_json_inf_nan="constants")

    format: Literal[3] = 3
    fingerprint: str
    """Of the config that the run was started with."""
    conditions: dict[str, str | int]
    """What else the bits depend on: versions, device, threads, data."""
    progress: Progress
    rows_digest: str | None = None
    """SHA-256 of the rows of metrics that were recorded by then. None if an earlier version of
    bnexp wrote the checkpoint."""
    frame: NetworkFrame | None = None
    """None if an earlier version of bnexp wrote the checkpoint."""

    @classmethod
    def read(cls, content: bytes) -> CheckpointMetadata:
        """Returns the metadata that `to_bytes` wrote.

        Raises:
            CheckpointError: It is not JSON, or has other keys or types.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            place = ".".join(str(key) for key in error.errors()[0]["loc"])
            problem = f"has a wrong value at {place}" if place else "has metadata that is not JSON"
            if place == "format":
                problem = "was written by another version of bnexp"
            raise CheckpointError(problem) from error

    def to_bytes(self) -> bytes:
        """Returns the metadata as JSON, with floats that read back exactly."""
        return self.model_dump_json(indent=2).encode() + b"\n"
