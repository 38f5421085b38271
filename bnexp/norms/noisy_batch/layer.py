"""Batch norm followed by noise that changes at every step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bnexp.norms.batch.layer import BatchNorm
from bnexp.norms.formats import statistics_dtype


class NoisyBatchNorm(BatchNorm):
    """Batch norm of `(N, C, H, W)` or `(N, C)`, then s · y + m with random s and m in training.

    The distributions stand in `bnexp.norms.noisy_batch.config.NoisyBatchNormConfig`. The noise
    comes from PyTorch's global generator, so that it repeats if that is seeded.
    """

    draws = True

    def __init__(
        self,
        num_features: int,
        *,
        mean_range: float,
        scale_max: float,
        sample_mean_range: float,
        sample_scale_std: float,
        **settings: Any,  # noqa: ANN401 - those of PyTorch's layer
    ) -> None:
        super().__init__(num_features, **settings)
        self.mean_range = mean_range
        self.scale_max = scale_max
        self.sample_mean_range = sample_mean_range
        self.sample_scale_std = sample_scale_std

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the normalized input, with noise in training."""
        outputs = super().forward(input)
        if not self.training:
            return outputs
        scale, shift = self.draw_noise(outputs)
        return torch.addcmul(shift, outputs, scale).to(outputs.dtype)

    def draw_noise(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns s and m of one step, `(N, C)` with as many dimensions as the outputs."""
        dtype, device = statistics_dtype(outputs.dtype), outputs.device
        images, channels = outputs.shape[:2]
        # One draw of each kind: a step's means and scales, images' shifts, images' scales.
        step = torch.rand(2, channels, dtype=dtype, device=device)
        shifts = torch.rand(images, channels, dtype=dtype, device=device)
        scales = torch.randn(images, channels, dtype=dtype, device=device)
        mean = self.mean_range * (2 * step[0] - 1)
        scale = 1 + (self.scale_max - 1) * step[1]
        shifts = mean + self.sample_mean_range * (2 * shifts - 1)
        scales = scale + self.sample_scale_std * scales
        shape = (images, channels, *[1] * (outputs.dim() - 2))
        return scales.view(shape), shifts.view(shape)
