"""Evaluating a norm with other statistics than the ones it gathered while training.

- `ema`: the running statistics, as the layers keep them.
- `precise`: statistics of a set of training images under the final weights, pooled from true
  sums and sums of squares. Averaging the variances of small batches instead is biased.
- `batch`: the statistics of each test batch itself, as in training.

The layers' buffers and the model's mode are restored afterwards.

Source: Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm", sections 3.1 and 3.2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnexp.data.batches import ResidentImages
from bnexp.training.evaluation import Score, autocast, evaluate


@dataclass(frozen=True)
class Evaluator:
    """Scores a network with any of the population statistics."""

    device: torch.device
    precision: str
    batch_size: int
    """That of training: images that `precise` and `batch` normalize together."""
    recalibration_images: ResidentImages
    """Training images without augmentation, in a random order, for `precise`."""
    shared_batch_size: int | None
    """Images that share an evaluation batch, if a norm's scores depend on it; else None."""

    def score(self, model: nn.Module, images: ResidentImages, kind: str = "ema") -> Score:
        """Returns the score with this kind of statistics; the model is left as it was."""
        size, where = self.batch_size, (self.device, self.precision)
        if kind == "precise":
            return evaluate_precisely(model, images, self.recalibration_images, size, *where)
        if kind == "batch":
            return evaluate_with_batch_statistics(model, images, size, *where)
        return evaluate(model, images, *where, self.shared_batch_size)


def find_tracking_norms(model: nn.Module) -> list[nn.Module]:
    """Returns the layers whose running statistics stand for the population's.

    Those are the ones with a `running_mean`, except frozen ones, whose statistics are not
    meant to follow the data.
    """
    return [
        module
        for module in model.modules()
        if isinstance(getattr(module, "running_mean", None), Tensor)
        and not getattr(module, "is_frozen", False)
    ]


def evaluate_precisely(
    model: nn.Module,
    images: ResidentImages,
    training_images: ResidentImages,
    batch_size: int,
    device: torch.device,
    precision: str,
) -> Score:
    """Returns the score with statistics pooled over `training_images`, in one pass.

    The pass normalizes each batch of `batch_size` by its own statistics, without what
    training adds (batch renorm's correction, noise, dropout), while what reaches each
    layer is summed up. A last, smaller batch is left out.
    """
    was_training = model.training
    kept = [
        (buffer, buffer.clone())
        for norm in find_tracking_norms(model)
        for buffer in (norm.running_mean, norm.running_var)
        if isinstance(buffer, Tensor)
    ]
    try:
        recalibrate(model, training_images, batch_size, device, precision)
        return evaluate(model, images, device, precision)
    finally:
        for buffer, value in kept:
            buffer.copy_(value)
        model.train(was_training)


def evaluate_with_batch_statistics(
    model: nn.Module,
    images: ResidentImages,
    batch_size: int,
    device: torch.device,
    precision: str,
) -> Score:
    """Returns the score if every batch of `batch_size` is normalized by itself."""
    with _batch_statistics(model):
        return evaluate(model, images, device, precision, shared_batch_size=batch_size)


def recalibrate(
    model: nn.Module,
    images: ResidentImages,
    batch_size: int,
    device: torch.device,
    precision: str,
) -> None:
    """Sets every running statistic to the mean and variance of what reaches its layer.

    The variance divides by the number of values: over thousands of images the difference
    to the unbiased one is too small to matter.
    """
    norms = find_tracking_norms(model)
    moments = {id(norm): _Moments.zeros(norm) for norm in norms}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        moments[id(norm)].add(inputs[0])

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    try:
        with _batch_statistics(model), torch.no_grad(), autocast(device, precision):
            size = min(batch_size, len(images))
            for start in range(0, len(images) - size + 1, size):
                inputs, _ = images.gather(torch.arange(start, start + size, device=device))
                model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        moments[id(norm)].write(norm)


@dataclass
class _Moments:
    """Sums over all values of a channel, in float64."""

    total: Tensor
    squares: Tensor
    count: int = 0

    @classmethod
    def zeros(cls, norm: nn.Module) -> _Moments:
        mean = norm.running_mean
        assert isinstance(mean, Tensor)
        dtype = torch.float32 if mean.device.type == "mps" else torch.float64
        return cls(torch.zeros_like(mean, dtype=dtype), torch.zeros_like(mean, dtype=dtype))

    def add(self, inputs: Tensor) -> None:
        axes = [axis for axis in range(inputs.dim()) if axis != 1]
        values = inputs.to(self.total.dtype)
        self.total += values.sum(axes)
        self.squares += values.square().sum(axes)
        self.count += inputs.numel() // inputs.shape[1]

    def write(self, norm: nn.Module) -> None:
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0)
        norm.running_mean.copy_(mean)  # type: ignore[operator]
        norm.running_var.copy_(variance)  # type: ignore[operator]


@contextlib.contextmanager
def _batch_statistics(model: nn.Module) -> Iterator[None]:
    """Evaluates the model with each batch's own statistics; its mode is restored.

    A layer in evaluation mode without running statistics takes the batch's, as PyTorch's
    does. In training mode it would also add what training adds: dropout, noise, updates.
    """
    was_training = model.training
    taken = [(norm, norm.running_mean, norm.running_var) for norm in find_tracking_norms(model)]
    model.eval()
    try:
        for norm, _, _ in taken:
            norm.running_mean = norm.running_var = None  # type: ignore[assignment]
        yield
    finally:
        for norm, mean, variance in taken:
            norm.running_mean, norm.running_var = mean, variance
        model.train(was_training)
