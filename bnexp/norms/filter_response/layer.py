"""Filter response normalization with its thresholded linear unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnexp.norms.formats import statistics_dtype

INITIAL_LEARNED_EPS = 1e-4


class FilterResponseNorm(nn.Module):
    """Filter response normalization of `(N, C, H, W)` or `(N, C)`.

    The formulas stand in `bnexp.norms.filter_response.config.FilterResponseNormConfig`.
    """

    def __init__(self, num_features: int, *, eps: float, learn_eps: bool, threshold: bool) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.learned_eps = self.threshold = None
        if learn_eps:
            self.learned_eps = nn.Parameter(torch.full((num_features,), INITIAL_LEARNED_EPS))
        if threshold:
            self.threshold = nn.Parameter(torch.zeros(num_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the normalized inputs.

        Raises:
            ValueError: There is one value per channel, which only a learned ε makes sense of.
        """
        if inputs.shape[2:].numel() == 1 and self.learned_eps is None:
            raise ValueError(f"one value per channel needs learn_eps, got {tuple(inputs.shape)}")
        values = inputs.to(statistics_dtype(inputs.dtype))
        weight, bias = self._per_channel(self.weight, inputs), self._per_channel(self.bias, inputs)
        scale = weight * torch.rsqrt(self._mean_square(values) + self._total_eps(inputs))
        outputs = torch.addcmul(bias, values, scale)
        if self.threshold is not None:
            outputs = torch.maximum(outputs, self._per_channel(self.threshold, inputs))
        return outputs.to(inputs.dtype)

    def extra_repr(self) -> str:
        """Returns the settings as PyTorch prints them."""
        own = f"learn_eps={self.learned_eps is not None}, threshold={self.threshold is not None}"
        return f"{self.num_features}, eps={self.eps}, {own}"

    def _mean_square(self, values: Tensor) -> Tensor:
        spatial = tuple(range(2, values.dim()))
        return values.square().mean(spatial, keepdim=True) if spatial else values.square()

    def _total_eps(self, inputs: Tensor) -> Tensor | float:
        if self.learned_eps is None:
            return self.eps
        return self.eps + self._per_channel(self.learned_eps, inputs).abs()

    def _per_channel(self, values: Tensor, inputs: Tensor) -> Tensor:
        return values.view(-1, *[1] * (inputs.dim() - 2))
