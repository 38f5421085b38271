"""Instance normalization: each channel of each image by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.errors import UsageError
from bnexp.norms.norm import AffineNormConfig, Dimensions

if TYPE_CHECKING:
    from torch import nn


class InstanceNormConfig(AffineNormConfig):
    """Normalizes each channel of each image over its pixels.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β, with one μ and σ² per image and channel. It is
    group norm with a group for each channel, and `torch.nn.InstanceNorm2d(C, affine=True)`.

    Training: μ and σ² of the channel of the image over (H, W). The mean over space of every
    channel becomes β, whatever the image: global average pooling right after it sees nothing to
    classify, so that this set-up (`after_activation` in the last layer) is an error. The same
    holds for groups of one channel and for ghost batches of one image.

    Evaluation: as in training; there are no running statistics.

    Shapes: (N, C, H, W), kept, of more than one pixel; there is no 1-d form, in which the one
    value of a channel would be its own mean.

    Parameters: γ and β, 2·C; unlike PyTorch's, they are learned by default.

    Variance: biased.

    Source: Ulyanov, Vedaldi & Lempitsky 2016, "Instance Normalization", section 2.
    """

    name: Literal["instance"] = "instance"
    affine: bool = True
    """Learn γ and β, one of each per channel, from 1 and 0; PyTorch's own default is false."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns group norm with as many groups as channels.

        Raises:
            UsageError: In 1-d form, which instance norm does not have.
        """
        from bnexp.norms.group.layer import GroupNorm

        if dimensions == 1:
            raise UsageError(_describe_single_pixels(num_features))
        # PyTorch's InstanceNorm2d gives up the channels-last memory format; this keeps it.
        return GroupNorm(num_features, num_features, **self.settings)

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns that it does, each channel of each image being a group of its own."""
        return True

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel of an image would have one value, which has no variance."""
        channels, height, width = shape
        return None if height * width > 1 else _describe_single_pixels(channels)


def _describe_single_pixels(channels: int) -> str:
    return (
        f"instance norm would see one value per channel and image ({channels} channels of 1×1 "
        "pixels); use another norm here, or remove a pooling or a stride"
    )
