"""Loss and accuracy, summed on the device so that the step loop never waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.training.machine.precision import autocast
from bnexp.training.saving.progress import ScoreTotals

CPU_BATCH_SIZE = 128
"""Images that the CPU evaluates at once: what one layer hands to the next stays in the cache."""
GPU_BATCH_SIZE = 500
"""Images that any other device evaluates at once."""

Look = Callable[[Tensor], None]
"""Takes the logits `(B, num_classes)` of each batch of an evaluation."""


class Images(Protocol):
    """A labelled set on a device, as `bnexp.data.batches.ResidentImages` is one."""

    @property
    def device(self) -> torch.device:
        """Where its batches are."""

    def __len__(self) -> int: ...

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs `(B, …)` and targets `(B,)` of the images at `indices` `(B,)`."""


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats per image, and the share of images classified correctly."""

    loss: float
    accuracy: float

    @classmethod
    def of(cls, totals: ScoreTotals) -> Score:
        """Returns the means over the images that were summed."""
        loss, hits, count = totals
        return cls(loss / count, hits / count)

    def tagged(self, prefix: str) -> dict[str, float]:
        """Returns the two as scalars `<prefix>/loss` and `<prefix>/accuracy`."""
        return {f"{prefix}/loss": self.loss, f"{prefix}/accuracy": self.accuracy}


class ScoreSum:
    """Sums loss and hits over batches; only reading the sums waits for the device.

    Until then it keeps each batch's loss, and a class and a target per image.
    """

    def __init__(self, totals: ScoreTotals = (0.0, 0.0, 0)) -> None:
        self._totals = totals
        self._losses: list[Tensor] = []
        self._classes: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, mean_loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Adds a batch: its mean loss and its logits `(N, num_classes)`."""
        self._losses.append(mean_loss)
        self._classes.append(logits.argmax(1))
        self._targets.append(targets)

    def read(self) -> ScoreTotals:
        """Returns the sums of loss and hits and the count, exactly."""
        if self._losses:
            loss, hits, count = self._totals
            sizes = torch.tensor([len(targets) for targets in self._targets])
            losses = torch.stack(self._losses).cpu() * sizes
            # One after the other, so that it makes no difference where a resume divides them.
            for batch_loss in losses.tolist():
                loss += batch_loss
            are_hits = torch.cat(self._classes) == torch.cat(self._targets)
            self._totals = loss, hits + float(are_hits.sum()), count + len(are_hits)
            self._losses, self._classes, self._targets = [], [], []
        return self._totals


def evaluate(
    model: nn.Module,
    images: Images,
    precision: str,
    shared_batch_size: int | None = None,
    look: Look | None = None,
) -> Score:
    """Returns the score in evaluation mode; the model's mode is restored.

    If an image's scores depend on its batch, `shared_batch_size` is how many images share one.
    """
    total = ScoreSum()
    for logits, targets in classify(model, images, precision, shared_batch_size):
        total.add(functional.cross_entropy(logits, targets), logits, targets)
        if look:
            look(logits)
    return Score.of(total.read())


@torch.no_grad()
def classify(
    model: nn.Module,
    images: Images,
    precision: str,
    shared_batch_size: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields logits `(B, num_classes)` in float32 and targets `(B,)` of all images, in their order.

    The model is in evaluation mode in between, and in its own afterwards. If an image's scores
    depend on its batch, `shared_batch_size` is how many images share one: the last batch is filled
    up with the first images, which are left out of what is yielded, so that every statistic
    comes from equally many images.
    """
    was_training, device = model.training, images.device
    model.eval()
    if shared_batch_size is None:
        size = CPU_BATCH_SIZE if device.type == "cpu" else GPU_BATCH_SIZE
    else:
        size = min(shared_batch_size, len(images))
    try:
        for start in range(0, len(images), size):
            counted = min(size, len(images) - start)
            filled = counted if shared_batch_size is None else size
            indices = torch.arange(start, start + filled, device=device) % len(images)
            inputs, targets = images.gather(indices)
            with autocast(device, precision):
                logits = model(inputs)
            yield logits[:counted].float(), targets[:counted]
    finally:
        model.train(was_training)
