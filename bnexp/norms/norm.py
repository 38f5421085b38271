"""The config that every normalization layer has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn

Dimensions = Literal[1, 2]
"""2 for feature maps `(N, C, H, W)`, 1 for features `(N, C)`, as in BatchNorm2d and BatchNorm1d."""


class NormConfig(Part):
    """Chooses a normalization layer; `build` makes one for a number of features."""

    name: str

    normalizes: ClassVar[bool] = True
    """Whether the layer does anything; a convolution right before it then needs no bias."""

    @abstractmethod
    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns a layer that keeps its input's shape: `(N, C, H, W)`, or `(N, C)` in 1-d form."""

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns how many images share statistics in training; None where each has its own."""
        return None

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns why the layer cannot train on such inputs, with the mend; None where it can.

        `shape` is `(C, H, W)`, with H = W = 1 in 1-d form; `batch_size` is the smallest batch.
        """
        return None
