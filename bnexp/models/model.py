"""The config that every model has in common, and what a model says of itself unbuilt."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import Field

from bnexp.models.initialization import AnyInitialization, HeConfig
from bnexp.models.plans import (
    ACTIVATIONS,
    Activation,
    LayerPlan,
    NormSite,
    Plan,
    find_norms,
    plan_dropout,
)
from bnexp.norms import AnyNorm
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.parts import Part

if TYPE_CHECKING:
    from torch import nn


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

    not_fingerprinted: ClassVar[frozenset[str]] = frozenset()
    """Keys that may change without making it another network."""

    name: str
    norm: AnyNorm = BatchNormConfig()
    """The norm of every layer that has none of its own; `norm: batch` is short for its name."""
    initialization: AnyInitialization = HeConfig()
    """How the first weights of convolutions and linear layers are drawn."""

    @property
    def code(self) -> bytes | None:
        """Python code that the config names by `path`, of which a run folder keeps a copy."""
        return None

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
    """What bnexp's own networks have in common: each is planned, then built, layer by layer."""

    activation: Activation = "relu"
    """The activation of every layer that has none of its own."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last linear layer's inputs that training sets to zero."""

    @abstractmethod
    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it.

        Raises:
            ImpossibleModelError: The network does not fit these images.
        """

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns where the plan normalizes, for images of height, width and channels."""
        layers, _ = self.plan(image_shape)
        return list(find_norms(layers))

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.network import build_network

        layers, features = self.plan(image_shape)
        return build_network({**layers, "linear": LayerPlan("Linear", features, num_classes)})

    def plan_dropout(self) -> LayerPlan:
        """Returns the dropout, or the identity if nothing is dropped."""
        return plan_dropout(self.dropout)


class ConvolutionalConfig(NetworkConfig):
    """What bnexp's own convolutional networks have in common."""

    weight_standardization: bool | Literal["scaled"] = False
    """Standardize each filter of every convolution before it is used: true as Qiao et al. 2019 do,
    for a norm to follow; scaled as Brock et al. 2021 do, which stands in for a norm."""

    def plan_conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        *,
        bias: bool,
        padding: int | None = None,
        groups: int = 1,
    ) -> LayerPlan:
        """Returns a convolution, whose default padding keeps the size at stride 1.

        With or without weight standardization it has the same parameters by the same names;
        scaled standardization adds a `gain`.
        """
        kind, own = "WSConv2d" if self.weight_standardization else "Conv2d", dict[str, Any]()
        if self.weight_standardization == "scaled":
            kind, own = "ScaledWSConv2d", {"activation": ACTIVATIONS[self.activation]}
        sizes = (in_channels, out_channels, kernel_size, stride)
        padding = kernel_size // 2 if padding is None else padding
        return LayerPlan(kind, *sizes, padding=padding, groups=groups, bias=bias, **own)
