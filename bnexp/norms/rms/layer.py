"""RMS norm over the channels of each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnexp.norms.formats import per_pixel, undo_per_pixel


class RmsNorm(nn.RMSNorm):
    """`torch.nn.RMSNorm` over the channels of `(N, C, H, W)` or `(N, C)`, with a β if asked for."""

    def __init__(self, num_features: int, *, eps: float, affine: bool, bias: bool) -> None:
        super().__init__(num_features, eps=eps, elementwise_affine=affine)
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine and bias else None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the normalized input, in its type and memory format."""
        pixels = super().forward(per_pixel(input))
        return undo_per_pixel(pixels if self.bias is None else pixels + self.bias, input)
