"""Dynamic tanh."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DynamicTanh(nn.Module):
    """γ · tanh(α · x) + β of `(N, C, …)`, with a learned number α.

    Source: Zhu et al. 2025, "Transformers without Normalization", algorithm 1.
    """

    def __init__(self, num_features: int, *, initial_alpha: float) -> None:
        super().__init__()
        self.num_features = num_features
        self.initial_alpha = initial_alpha
        self.alpha = nn.Parameter(torch.full((1,), initial_alpha))
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the squashed inputs."""
        shape = (-1, *[1] * (inputs.dim() - 2))
        squashed = torch.tanh(self.alpha * inputs)
        outputs = torch.addcmul(self.bias.view(shape), squashed, self.weight.view(shape))
        return outputs.to(inputs.dtype)

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        return f"{self.num_features}, initial_alpha={self.initial_alpha}"
