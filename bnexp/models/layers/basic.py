"""Small layers that several networks use."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class GlobalAveragePool(nn.Module):
    """Maps `(N, C, H, W)` to the mean over space, `(N, C)`.

    A plain mean: the backward pass of PyTorch's adaptive pooling is not deterministic on CUDA.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the mean over height and width."""
        return inputs.mean((2, 3))


class ZeroPaddedShortcut(nn.Module):
    """Takes every `stride`-th pixel and appends channels of zeros: a shortcut that learns nothing.

    Maps `(N, in_channels, H, W)` to `(N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)`.

    Source: He et al. 2016, "Deep Residual Learning", section 3.3, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.extra_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the subsampled and widened input."""
        sampled = inputs[:, :, :: self.stride, :: self.stride]
        return functional.pad(sampled, (0, 0, 0, 0, 0, self.extra_channels))


class Add(nn.Module):
    """Adds shortcut and branch; a layer of its own so that tables of the network show it."""

    def forward(self, shortcut: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        """Returns the sum."""
        return shortcut + branch


class Scale(nn.Module):
    """Multiplies by one learned number: y = weight · x."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(initial))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the input times the number."""
        return self.weight * inputs


class Shift(nn.Module):
    """Adds one learned number, initially 0: y = x + bias."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the input plus the number."""
        return inputs + self.bias
