"""The config that every model has in common, and what a model says of itself unbuilt."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn

    from bnexp.norms import NormConfig


@dataclass(frozen=True)
class NormSite:
    """One place where a model normalizes: which norm, and the `(C, H, W)` it sees."""

    path: tuple[str | int, ...]
    """Keys below `model` that lead to the layer, for messages."""
    norm: NormConfig
    shape: tuple[int, int, int]


class ImpossibleModelError(Exception):
    """The config is well-formed, but no such network exists for these images.

    `path` holds the keys below `model` that lead to the layer that cannot be.
    """

    def __init__(self, path: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class ModelConfig(Part):
    """Chooses a network; `build` makes it for a given image size and number of classes."""

    name: str

    @abstractmethod
    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns where the network normalizes, for images of height, width and channels.

        Raises:
            ImpossibleModelError: The network does not fit these images.
        """

    @abstractmethod
    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns a network from images `(N, C, H, W)` to logits `(N, num_classes)`.

        Raises:
            ImpossibleModelError: The network does not fit these images.
        """
