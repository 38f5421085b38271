"""Loss and accuracy, summed on the device so that the step loop never waits for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.data.batches import ResidentImages

CPU_BATCH_SIZE = 128
"""Images that the CPU evaluates at once: what a layer leaves for the next stays in the cache."""
GPU_BATCH_SIZE = 500
"""Images that any other device evaluates at once."""

PlainScoreSum = tuple[float, float, int]
"""Sum of losses, sum of hits, and how many images they are of."""


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats an image, and the share of images classified rightly."""

    loss: float
    accuracy: float

    def tagged(self, prefix: str) -> dict[str, float]:
        """Returns the two as scalars `<prefix>/loss` and `<prefix>/accuracy`."""
        return {f"{prefix}/loss": self.loss, f"{prefix}/accuracy": self.accuracy}


class ScoreSum:
    """Sums loss and hits over batches on the device; reading it waits for the device.

    `count` is the number of images summed over.
    """

    def __init__(self, device: torch.device) -> None:
        # float64 holds the sum of an epoch without loss; MPS has float32 alone.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._sums = torch.zeros(2, dtype=dtype, device=device)
        self.count = 0

    def add(self, mean_loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Adds a batch: its mean loss and its logits `(N, num_classes)`."""
        hits = (logits.argmax(1) == targets).sum()
        batch = torch.stack((mean_loss * len(targets), hits.to(mean_loss.dtype)))
        self._sums += batch.to(self._sums.dtype)
        self.count += len(targets)

    def add_sum(self, other: ScoreSum) -> None:
        """Adds what another sum holds."""
        self._sums += other._sums
        self.count += other.count

    @classmethod
    def of(cls, sums: PlainScoreSum, device: torch.device) -> ScoreSum:
        """Returns the sum that `to_plain` was called on, on this device."""
        loss, hits, count = sums
        total = cls(device)
        total._sums += torch.tensor((loss, hits), dtype=total._sums.dtype, device=device)
        total.count = count
        return total

    def cleared(self) -> ScoreSum:
        """Returns an empty sum on the same device."""
        return ScoreSum(self._sums.device)

    def to_plain(self) -> PlainScoreSum:
        """Returns the sums of loss and hits and the count, exactly."""
        loss, hits = self._sums.tolist()
        return loss, hits, self.count

    def read(self) -> Score:
        """Returns the mean loss and the accuracy of all that was added."""
        loss, hits = self._sums.tolist()
        return Score(loss / self.count, hits / self.count)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Returns the context in which a forward pass computes at that precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: ResidentImages,
    device: torch.device,
    precision: str,
    shared_batch_size: int | None = None,
) -> Score:
    """Returns the score in evaluation mode; the model's mode is put back.

    If what a batch holds changes its scores, `shared_batch_size` is how many images share one:
    the last batch is filled up with the first images, which are not counted again, so that
    every statistic comes from equally many images.
    """
    was_training = model.training
    model.eval()
    total = ScoreSum(device)
    if shared_batch_size is None:
        size = CPU_BATCH_SIZE if device.type == "cpu" else GPU_BATCH_SIZE
        for inputs, targets in images.batches(size):
            _score_batch(model, inputs, targets, len(targets), precision, total)
    else:
        size = min(shared_batch_size, len(images))
        for start in range(0, len(images), size):
            indices = torch.arange(start, start + size, device=device) % len(images)
            inputs, targets = images.gather(indices)
            counted = min(size, len(images) - start)
            _score_batch(model, inputs, targets, counted, precision, total)
    model.train(was_training)
    return total.read()


def _score_batch(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    counted: int,
    precision: str,
    total: ScoreSum,
) -> None:
    """Adds the score of a batch's first `counted` images; the model sees all of them."""
    with autocast(inputs.device, precision):
        logits = model(inputs)
    logits, targets = logits[:counted].float(), targets[:counted]
    total.add(functional.cross_entropy(logits, targets), logits, targets)
