"""VGG for small images: stages of equal convolutions, each stage ended by a pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from bnexp.models.cnn.config import ConvLayer, Layer, PlainCnnConfig, PoolLayer
from bnexp.models.model import ImpossibleModelError
from bnexp.models.plans import MOST_CHANNELS, NormSite, Plan

Depth = Literal["small", 11, 13, 16, 19]

STAGES: dict[Depth, tuple[tuple[int, int], ...]] = {
    "small": ((2, 1), (2, 2), (2, 4)),
    11: ((1, 1), (1, 2), (2, 4), (2, 8), (2, 8)),
    13: ((2, 1), (2, 2), (2, 4), (2, 8), (2, 8)),
    16: ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8)),
    19: ((2, 1), (2, 2), (4, 4), (4, 8), (4, 8)),
}
"""For each depth its stages: how many convolutions, and how many times `width` channels.

Source: Simonyan & Zisserman 2015, "Very Deep Convolutional Networks", table 1, columns
A, B, D and E.
"""


class VggConfig(PlainCnnConfig):
    """3×3 convolutions in stages that each end in a max-pooling, then one linear layer.

    The blocks are those of `cnn`. The paper's two hidden linear layers are left out, as is
    usual for 32×32 images, where they would hold most of the parameters; its depths count
    them. `small` with width 16 is the default `cnn`.

    Source: Simonyan & Zisserman 2015, table 1.
    """

    name: Literal["vgg"] = "vgg"
    depth: Depth = 16
    """11, 13, 16 or 19 as in the paper (five poolings), or small: six convolutions, three
    poolings."""
    width: int = Field(default=64, ge=1, le=MOST_CHANNELS)
    """Channels of the first stage; later ones have 2, 4, 8 and 8 times as many."""

    def list_layers(self) -> Sequence[Layer]:
        """Returns the stages' convolutions and poolings in order."""
        layers: list[Layer] = []
        for convolutions, multiple in STAGES[self.depth]:
            layers += [ConvLayer(conv=multiple * self.width)] * convolutions
            layers.append(PoolLayer(pool="max"))
        return layers

    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it.

        Raises:
            ImpossibleModelError: The images are too small to be halved that often.
        """
        try:
            return super().plan(image_shape)
        except ImpossibleModelError as error:
            height, width, _ = image_shape
            halvings = len(STAGES[self.depth])
            reason = f"{width}×{height} pixels cannot be halved {halvings} times"
            if self.depth != "small":
                reason += "; use depth: small, which halves 3 times"
            raise ImpossibleModelError(("depth",), reason) from error

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns the norm of each convolution, which the model's `norm` sets."""
        return [replace(site, path=("norm",)) for site in super().norm_sites(image_shape)]
