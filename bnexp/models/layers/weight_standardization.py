"""Weight standardization: a convolution whose filters have mean 0 and variance 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WEIGHT_EPS = 1e-5


class WSConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` with the filter of each output channel standardised at every step.

    Formula: ŵ = (w − mean) / √(variance + 1e-5), over a filter's (C_in / groups, kH, kW).

    Training: computed anew at every step; gradients flow through it. Evaluation: the same.

    Shapes: as `torch.nn.Conv2d`. Parameters: as `torch.nn.Conv2d`, w being what is learned.

    Variance: biased.

    Source: Qiao et al. 2019, "Micro-Batch Training with Batch-Channel Normalization and
    Weight Standardization", section 3.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the convolution with the standardised filters."""
        weight = standardize_weight(self.weight)
        outputs: Tensor = self._conv_forward(input, weight, self.bias)
        return outputs


def standardize_weight(weight: Tensor) -> Tensor:
    """Returns filters `(C_out, C_in, kH, kW)` with mean 0 and variance 1 each.

    A filter of equal values becomes 0.
    """
    variance, mean = torch.var_mean(weight, (1, 2, 3), correction=0, keepdim=True)
    return (weight - mean) * torch.rsqrt(variance + WEIGHT_EPS)
