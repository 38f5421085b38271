"""EvoNorm-S0 and EvoNorm-B0."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from bnexp.norms.batch.layer import advance_average, move_average
from bnexp.norms.formats import keep_memory_format, statistics_dtype


class EvoNorm(nn.Module, ABC):
    """What both have in common for inputs `(N, C, H, W)` or `(N, C)`: v, γ and β.

    The formulas stand in `bnexp.norms.evonorm.config.EvoNormConfig`.
    """

    def __init__(self, num_features: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.v = nn.Parameter(torch.ones(num_features))
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the normalized and activated inputs; in training B0's running variance moves."""
        values = inputs.to(statistics_dtype(inputs.dtype))
        outputs = self.activate(values, _per_channel(self.v, values))
        if self.weight is not None and self.bias is not None:
            weight, bias = (_per_channel(each, values) for each in (self.weight, self.bias))
            outputs = torch.addcmul(bias, outputs, weight)
        return keep_memory_format(outputs.to(inputs.dtype), inputs)

    @abstractmethod
    def activate(self, values: Tensor, v: Tensor) -> Tensor:
        """Returns the outputs before γ and β; `v` has a shape that broadcasts over the values."""

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        return f"{self.num_features}, eps={self.eps}, affine={self.weight is not None}"


class EvoNormS0(EvoNorm):
    """x · sigmoid(v · x) over the standard deviation of a group of channels of an image."""

    def __init__(self, num_features: int, eps: float, affine: bool, *, groups: int) -> None:
        super().__init__(num_features, eps, affine)
        self.num_groups = groups

    def activate(self, values: Tensor, v: Tensor) -> Tensor:
        """Returns the gated values over the deviation of their group.

        Raises:
            ValueError: A group has one value.
        """
        grouped = torch.unflatten(values, 1, (self.num_groups, -1))
        if grouped.shape[2:].numel() == 1:
            raise ValueError(f"one value per group has no variance, got {tuple(values.shape)}")
        variance = grouped.var(tuple(range(2, grouped.dim())), correction=0)
        # One value per channel again: (N, groups) to (N, C).
        variance = variance[..., None].expand(-1, -1, grouped.shape[2]).flatten(1)
        scale = torch.rsqrt(variance + self.eps).view(*values.shape[:2], *[1] * (values.dim() - 2))
        return values * torch.sigmoid(v * values) * scale

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        return f"{super().extra_repr()}, num_groups={self.num_groups}"


class EvoNormB0(EvoNorm):
    """x over the larger of the batch's deviation and v · x plus that of the channel of the image.

    Its state is that of batch norm without a running mean, which nothing here subtracts.
    """

    running_var: Tensor
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float, affine: bool, *, momentum: float | None
    ) -> None:
        super().__init__(num_features, eps, affine)
        self.momentum = momentum
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def activate(self, values: Tensor, v: Tensor) -> Tensor:
        """Returns the values over the larger deviation.

        Raises:
            ValueError: In training, a channel has one value.
        """
        variance = self._measure(values) if self.training else self.running_var
        batch_deviation = (_per_channel(variance, values) + self.eps).sqrt()
        spatial = tuple(range(2, values.dim()))
        alone = (
            values.var(spatial, correction=0, keepdim=True) if spatial else torch.zeros_like(values)
        )
        return values / torch.maximum(batch_deviation, v * values + (alone + self.eps).sqrt())

    def _measure(self, values: Tensor) -> Tensor:
        """Returns the batch's variance, towards which the running one moves."""
        count = values.numel() // values.shape[1]
        if count == 1:
            raise ValueError(f"one value per channel has no variance, got {tuple(values.shape)}")
        axes = [axis for axis in range(values.dim()) if axis != 1]
        variance = values.var(axes, correction=0)
        with torch.no_grad():
            unbiased = variance * (count / (count - 1))
            move_average(self.running_var, unbiased, advance_average(self))
        return variance

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        return f"{super().extra_repr()}, momentum={self.momentum}"


def _per_channel(values: Tensor, inputs: Tensor) -> Tensor:
    return values.view(-1, *[1] * (inputs.dim() - 2))
