"""Layer normalization as CNNs use it: over all channels and pixels of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.norms.norm import AffineNormConfig, Dimensions

if TYPE_CHECKING:
    from torch import nn


class LayerNormConfig(AffineNormConfig):
    """Normalizes each image over all its channels and pixels.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β, with one μ and σ² per image and one γ and β per
    channel: group norm with one group, `torch.nn.GroupNorm(1, C)`, which is the layer norm
    that Wu & He compare. `torch.nn.LayerNorm((C, H, W))` learns a γ and β for every pixel
    instead, and ConvNeXt's, which is `layer_channels` here, has separate statistics at every
    pixel. In 1-d form all three are `torch.nn.LayerNorm(C)`.

    Training: μ and σ² of the image over (C, H, W).

    Evaluation: as in training.

    Shapes: (N, C, H, W) or (N, C), kept; one μ and σ² per image.

    Parameters: γ and β, 2·C.

    Variance: biased.

    Source: Ba, Kiros & Hinton 2016, "Layer Normalization", section 3; on feature maps: Wu &
    He 2018, "Group Normalization", section 3.1.
    """

    name: Literal["layer"] = "layer"

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns group norm with one group."""
        from bnexp.norms.group.layer import GroupNorm

        return GroupNorm(1, num_features, **self.settings)

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that an image would have one value, which has no variance."""
        channels, height, width = shape
        if channels * height * width > 1:
            return None
        return "layer norm would see one value per image (1 channel of 1×1 pixels); use more"
