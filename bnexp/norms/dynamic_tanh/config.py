"""Dynamic tanh: a learned squashing in place of a norm, without any statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.norm import Dimensions, NormConfig

if TYPE_CHECKING:
    from torch import nn


class DynamicTanhConfig(NormConfig):
    """Squashes each value by a tanh of learned width; nothing is measured.

    Formula: y = γ · tanh(α · x) + β, with one α per layer, learned from `initial_alpha`.

    Training: each value by itself.

    Evaluation: as in training.

    Shapes: any from (N, C) on, kept.

    Parameters: γ and β, 2·C, and α. The network's own activation still follows if this sits
    before it.

    Variance: none.

    Source: Zhu et al. 2025, "Transformers without Normalization", section 4.
    """

    name: Literal["dynamic_tanh"] = "dynamic_tanh"
    initial_alpha: float = Field(default=0.5, gt=0)
    """First value of α; the paper's 0.5."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.dynamic_tanh.layer import DynamicTanh

        return DynamicTanh(num_features, **self.settings)
