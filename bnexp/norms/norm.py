"""The config that every normalization layer has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn


class NormConfig(Part):
    """Chooses a normalization layer; `build` makes one for a number of features."""

    name: str

    normalizes: ClassVar[bool] = True
    """Whether the layer does anything; a convolution right before it then needs no bias."""
    uses_batch_statistics: ClassVar[bool] = False
    """Whether training normalizes an image with statistics of other images of its batch."""

    @abstractmethod
    def build(self, num_features: int) -> nn.Module:
        """Returns a layer that maps `(N, num_features, H, W)` to the same shape."""
