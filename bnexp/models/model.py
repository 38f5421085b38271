"""The config that every model has in common, and what a model says of itself unbuilt."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pydantic import Field

from bnexp.models.activations import Activation
from bnexp.models.initialization import AnyInitialization, HeConfig
from bnexp.norms import AnyNorm, NormConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn

Placement = Literal["before_activation", "after_activation"]


@dataclass(frozen=True)
class NormSite:
    """One place where a model normalizes: which norm, and the `(C, H, W)` it sees."""

    path: tuple[str | int, ...]
    """Keys below `model` that lead to the layer, for messages."""
    norm: NormConfig
    shape: tuple[int, int, int]
    """H = W = 1 if the norm is in 1-d form and sees `(N, C)`."""


class ImpossibleModelError(Exception):
    """The config is well-formed, but no such network exists for these images.

    `path` holds the keys below `model` that lead to the layer that cannot be.
    """

    def __init__(self, path: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


@runtime_checkable
class FinishesInitialization(Protocol):
    """A network whose first values are more than its initialization scheme."""

    def finish_initialization(self) -> None:
        """Changes the weights just drawn; draws nothing, so that cells still pair."""


class ModelConfig(Part):
    """Chooses a network; `build` makes it for a given image size and number of classes."""

    name: str
    norm: AnyNorm = BatchNormConfig()
    """The norm of every layer that has none of its own; `norm: batch` is short for its name."""
    initialization: AnyInitialization = HeConfig()
    """How the first weights of convolutions and linear layers are drawn."""

    @abstractmethod
    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns where the network normalizes, for images of height, width and channels.

        Says what is known without torch: a model that must be built to know returns nothing.

        Raises:
            ImpossibleModelError: The network does not fit these images.
        """

    def find_norm_sites(
        self, image_shape: tuple[int, int, int], num_classes: int
    ) -> list[NormSite]:
        """Returns all sites, building the network if `norm_sites` cannot know them.

        Raises:
            ImpossibleModelError: There is no such network, or it does not fit these images.
        """
        return self.norm_sites(image_shape)

    @abstractmethod
    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns a network from images `(N, C, H, W)` to logits `(N, num_classes)`.

        Raises:
            ImpossibleModelError: The network does not fit these images.
        """


class NetworkConfig(ModelConfig):
    """What bnexp's own networks have in common."""

    activation: Activation = "relu"
    """The activation of every layer that has none of its own."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last linear layer's inputs that training sets to zero."""


class ConvolutionalConfig(NetworkConfig):
    """What bnexp's own convolutional networks have in common."""

    weight_standardization: bool = False
    """Standardize each filter of every convolution before it is used (Qiao et al. 2019)."""
