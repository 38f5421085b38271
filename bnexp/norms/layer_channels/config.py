"""Layer normalization as ConvNeXt uses it: over the channels of each pixel by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.norm import AffineNormConfig, Dimensions

if TYPE_CHECKING:
    from torch import nn


class LayerChannelsNormConfig(AffineNormConfig):
    """Normalizes each pixel of each image over its channels.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β, with one μ and σ² per image and pixel, and one γ
    and β per channel. It is torchvision's and timm's `LayerNorm2d`, `torch.nn.LayerNorm(C)` with
    the channels last. `layer` has one μ and σ² for all pixels of an image instead; in 1-d form the
    two are the same.

    Training: μ and σ² of the pixel over C.

    Evaluation: as in training.

    Shapes: (N, C, H, W) or (N, C), kept; more than one channel.

    Parameters: γ and β, 2·C.

    Variance: biased.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", section 2.6, whose code has it; the
    formula: Ba, Kiros & Hinton 2016, "Layer Normalization", section 3.
    """

    name: Literal["layer_channels"] = "layer_channels"
    eps: float = Field(default=1e-6, gt=0)
    """Added to the variance; the default is ConvNeXt's."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.layer_channels.layer import LayerChannelsNorm

        return LayerChannelsNorm(num_features, eps=self.eps, elementwise_affine=self.affine)

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a pixel would have one value, which has no variance."""
        if shape[0] > 1:
            return None
        return "layer_channels norm would see one value per pixel (1 channel); use more"
