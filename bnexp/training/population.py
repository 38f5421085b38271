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
from torch.nn.modules.batchnorm import _NormBase

from bnexp.diagnostics.layers import find_running_mean, has_running_statistics
from bnexp.diagnostics.probe import leaving_no_trace
from bnexp.training.evaluation import Images, Look, Score, classify, evaluate
from bnexp.training.machine.precision import autocast


@dataclass(frozen=True)
class Evaluator:
    """Scores a network with any of the population statistics."""

    precision: str
    batch_size: int
    """That of training: images that `precise` and `batch` normalize together."""
    recalibration_images: Images | None
    """Training images without augmentation, in a random order, for `precise`; None without it."""
    shared_batch_size: int | None
    """Images that share an evaluation batch, if a norm's scores depend on it; else None."""

    def score(
        self, model: nn.Module, images: Images, kind: str = "ema", look: Look | None = None
    ) -> Score:
        """Returns the score with this kind of statistics; the model is left as it was."""
        with self._taking_statistics(model, kind) as shared_batch_size:
            return evaluate(model, images, self.precision, shared_batch_size, look)

    def classify(
        self, model: nn.Module, images: Images, kind: str = "ema"
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the logits and targets that the score is of; the model is left as it was."""
        with self._taking_statistics(model, kind) as shared_batch_size:
            yield from classify(model, images, self.precision, shared_batch_size)

    @contextlib.contextmanager
    def _taking_statistics(self, model: nn.Module, kind: str) -> Iterator[int | None]:
        """Gives the model these statistics, and how many images then share a batch."""
        if kind == "ema":
            yield self.shared_batch_size
            return
        with leaving_no_trace(model):
            if kind == "precise":
                assert self.recalibration_images is not None
                recalibrate(model, self.recalibration_images, self.batch_size, self.precision)
                yield None
            else:
                with _taking_batch_statistics(model):
                    yield self.batch_size


def recalibrate(model: nn.Module, images: Images, batch_size: int, precision: str) -> None:
    """Sets every running statistic to the mean and variance of what reaches its layer, in one pass.

    The pass normalizes each batch of `batch_size` by its own statistics, without what
    training adds (batch renorm's correction, noise, dropout), while what reaches each
    layer is summed up. A last, smaller batch is left out.

    The variance divides by the number of values: over thousands of images the difference
    to the unbiased one is too small to matter.
    """
    moments = {norm: _Moments(norm) for norm in _find_tracking_norms(model)}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        moments[norm].add(inputs[0])

    hooks = [norm.register_forward_pre_hook(add) for norm in moments]
    try:
        with leaving_no_trace(model), torch.no_grad(), autocast(images.device, precision):
            size = min(batch_size, len(images))
            with _taking_batch_statistics(model):
                for start in range(0, len(images) - size + 1, size):
                    places = torch.arange(start, start + size, device=images.device)
                    model(images.gather(places)[0])
    finally:
        for hook in hooks:
            hook.remove()
    for norm, sums in moments.items():
        sums.write(norm)


class _Moments:
    """Sums over all values of a channel, in float64."""

    def __init__(self, norm: nn.Module) -> None:
        variance = norm.running_var
        assert isinstance(variance, Tensor)
        dtype = torch.float32 if variance.device.type == "mps" else torch.float64
        self.total = torch.zeros_like(variance, dtype=dtype)
        self.squares = torch.zeros_like(variance, dtype=dtype)
        self.count = 0

    def add(self, inputs: Tensor) -> None:
        axes = [axis for axis in range(inputs.dim()) if axis != 1]
        values = inputs.to(self.total.dtype)
        self.total += values.sum(axes)
        self.squares += values.square().sum(axes)
        self.count += inputs.numel() // inputs.shape[1]

    def write(self, norm: nn.Module) -> None:
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0)
        norm.running_var.copy_(variance)  # type: ignore[operator]
        if (running_mean := find_running_mean(norm)) is not None:
            running_mean.copy_(mean)


def tracks_population(module: nn.Module) -> bool:
    """Returns whether a layer's running statistics stand for the population's.

    Frozen ones are not meant to follow the data.
    """
    return has_running_statistics(module) and not getattr(module, "is_frozen", False)


def _find_tracking_norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if tracks_population(module)]


@contextlib.contextmanager
def _taking_batch_statistics(model: nn.Module) -> Iterator[None]:
    """Makes the model evaluate with each batch's own statistics; within `leaving_no_trace`.

    PyTorch's layers, and those made from them, take the batch's in evaluation mode if they have no
    running statistics. In training mode they would also add what training adds: noise, updates.
    Of other layers nothing is known but that they take the batch's in training mode.
    """
    model.eval()
    hooks = []
    for norm in _find_tracking_norms(model):
        if isinstance(norm, _NormBase):
            norm.running_mean = norm.running_var = None
        else:
            hooks.append(norm.register_forward_pre_hook(_train))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _train(norm: nn.Module, _: tuple[Tensor, ...]) -> None:
    norm.train()
