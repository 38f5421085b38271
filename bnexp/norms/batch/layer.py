"""Batch norm with what PyTorch's lacks: ghost batches and frozen statistics."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bnexp.norms.formats import is_channels_last, keep_memory_format, statistics_dtype


class BatchNorm(_BatchNorm):
    """Batch norm of `(N, C, H, W)` or `(N, C)` over groups of images, or with frozen statistics.

    Its state is that of `torch.nn.BatchNorm2d`, in buffers of the same names. The formulas
    are in `bnexp.norms.batch.config.BatchNormConfig`.
    """

    def __init__(
        self,
        num_features: int,
        *,
        normalization_batch_size: int | None = None,
        frozen: bool = False,
        **settings: Any,  # noqa: ANN401 - those of PyTorch's layer
    ) -> None:
        super().__init__(num_features, **settings)
        self.normalization_batch_size = normalization_batch_size
        self.is_frozen = frozen

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the normalized input; in training the running statistics move."""
        self._check_input_dim(input)
        if self.is_frozen or (self.running_mean is not None and not self.training):
            return self.evaluate(input)
        group = self.normalization_batch_size or len(input)
        if group >= len(input) and self.momentum is not None:
            return super().forward(input)
        outputs, mean, variance = self.normalize_groups(input)
        if self.training and self.running_mean is not None:
            update_running(self, mean, variance)
        return outputs

    def evaluate(self, inputs: Tensor) -> Tensor:
        """Returns the inputs normalized with the running statistics, or the batch's without any."""
        return functional.batch_norm(
            inputs,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.running_mean is None,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        average = f"momentum={self.momentum}, track_running_stats={self.track_running_stats}"
        own = f"normalization_batch_size={self.normalization_batch_size}, frozen={self.is_frozen}"
        return f"{self.num_features}, eps={self.eps}, affine={self.affine}, {average}, {own}"

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - PyTorch's name of it
        if input.dim() not in (2, 4):
            raise ValueError(f"expected (N, C) or (N, C, H, W), got {tuple(input.shape)}")

    def normalize_groups(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the outputs, and the groups' average statistics, counted by their images."""
        group = min(self.normalization_batch_size or len(inputs), len(inputs))
        groups, rest = divmod(len(inputs), group)
        if not rest:
            return self.normalize_equal_groups(inputs, groups)
        whole = self.normalize_equal_groups(inputs[:-rest], groups)
        last = self.normalize_equal_groups(inputs[-rest:], 1)
        share = rest / len(inputs)
        outputs = torch.cat((whole[0], last[0]))
        return outputs, torch.lerp(whole[1], last[1], share), torch.lerp(whole[2], last[2], share)

    def normalize_equal_groups(self, inputs: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the outputs, and the groups' average mean and unbiased variance."""
        # Groups become channels of their own, so that one call normalizes them all.
        weight = self.weight.repeat(groups) if self.affine else None
        bias = self.bias.repeat(groups) if self.affine else None
        stacked = stack_groups(inputs, groups)
        outputs, *statistics = normalize_and_measure(stacked, weight, bias, self.eps)
        mean, variance = (values.view(groups, -1).mean(0) for values in statistics)
        return unstack_groups(outputs, inputs, groups), mean, variance


def normalize_and_measure(
    inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns batch norm's outputs, and each channel's mean and unbiased variance."""
    # With momentum 1, PyTorch's batch norm leaves the two in the buffers given; its reduction
    # over these dimensions takes ten times as long.
    mean = inputs.new_zeros(inputs.shape[1], dtype=statistics_dtype(inputs.dtype))
    variance = torch.zeros_like(mean)
    outputs = functional.batch_norm(
        inputs, mean, variance, weight, bias, training=True, momentum=1.0, eps=eps
    )
    return outputs, mean, variance


class Averaging(Protocol):
    """A layer that keeps a running average over its training steps."""

    momentum: float | None
    num_batches_tracked: Tensor | None


def advance_average(layer: Averaging) -> Tensor | float:
    """Counts a training step and returns the weight of its batch in the running statistics."""
    assert layer.num_batches_tracked is not None
    layer.num_batches_tracked.add_(1)
    if layer.momentum is not None:
        return layer.momentum
    # A tensor, since PyTorch's own cumulative average waits for the device at every step.
    return layer.num_batches_tracked.reciprocal()


def update_running(layer: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Counts a training step and moves the running statistics towards those of its batch."""
    weight = advance_average(layer)
    move_average(layer.running_mean, mean, weight)
    move_average(layer.running_var, variance, weight)


def move_average(average: Tensor | None, value: Tensor, weight: Tensor | float) -> None:
    """Moves a running average in place towards a new value, which has that weight."""
    assert average is not None
    # `lerp_` would do, but torch.func.vmap has no rule for it.
    average.add_((value - average) * weight)


def stack_groups(inputs: Tensor, groups: int) -> Tensor:
    """Returns `(G·B, C, …)` as `(B, G·C, …)`: image b of group g gives channels g·C to g·C + C."""
    if is_channels_last(inputs):
        pixels = torch.unflatten(inputs.movedim(1, -1), 0, (groups, -1))
        return pixels.movedim(0, -2).flatten(-2).movedim(-1, 1)
    return torch.unflatten(inputs, 0, (groups, -1)).transpose(0, 1).flatten(1, 2)


def unstack_groups(stacked: Tensor, like: Tensor, groups: int) -> Tensor:
    """Returns `(B, G·C, …)` as `(G·B, C, …)`, undoing `stack_groups(like, groups)`."""
    if is_channels_last(like):
        pixels = torch.unflatten(stacked.movedim(1, -1), -1, (groups, -1))
        return keep_memory_format(pixels.movedim(-2, 0).flatten(0, 1).movedim(-1, 1), like)
    return torch.unflatten(stacked, 1, (groups, -1)).transpose(0, 1).flatten(0, 1)
