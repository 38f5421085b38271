"""Filter response normalization: each channel of each image by its power, with a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.norm import Dimensions, NormConfig

if TYPE_CHECKING:
    from torch import nn


class FilterResponseNormConfig(NormConfig):
    """Divides each channel of each image by its root mean square; no mean is subtracted.

    Formula: z = γ · x / √(ν² + eps + |ε|) + β, where ν² is the mean of x² and ε is learned
    or 0; then, with `threshold`, y = max(z, τ), which stands in for the activation.

    Training: ν² of the channel of the image over (H, W).

    Evaluation: as in training.

    Shapes: (N, C, H, W), kept; (N, C) or 1×1 pixels only with `learn_eps`, since without it
    x / √x² is only the sign of x.

    Parameters: γ and β, 2·C; τ and ε, C each if they are learned.

    Variance: none; ν² is a mean of squares, divided by H·W.

    Source: Singh & Krishnan 2020, "Filter Response Normalization Layer", section 3.
    """

    name: Literal["filter_response"] = "filter_response"
    eps: float = Field(default=1e-6, gt=0)
    """Added to the mean of squares; the paper's 1e-6."""
    learn_eps: bool = False
    """Learn a further ε per channel, from 1e-4, which the paper needs at 1×1 pixels."""
    threshold: bool = True
    """Give max(z, τ) with a τ per channel learned from 0: the paper's activation for this norm.

    The network's own activation still follows if the norm sits before it: ReLU after it
    makes every τ below 0 count as 0.
    """

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.filter_response.layer import FilterResponseNorm

        return FilterResponseNorm(num_features, **self.settings)

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel of an image would have one value and no learned ε."""
        channels, height, width = shape
        if height * width > 1 or self.learn_eps:
            return None
        return (
            f"filter_response norm would give only signs ({channels} channels of 1×1 pixels); "
            "set learn_eps: true"
        )
