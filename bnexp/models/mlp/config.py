"""A multilayer perceptron: linear layers alone, with the norm in its 1-d form."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bnexp.models.model import NetworkConfig, NormSite, Placement

if TYPE_CHECKING:
    from torch import nn


class MlpConfig(NetworkConfig):
    """Hidden linear layers, each with norm and activation, then the linear output layer.

    Each hidden layer is linear-norm-activation (`before_activation`) or
    linear-activation-norm (`after_activation`), then dropout. The output has no norm.
    784-256-256-10 with batch norm has 270,346 parameters.

    Source: Ioffe & Szegedy 2015, section 4.1, whose MNIST network has three such layers.
    """

    name: Literal["mlp"] = "mlp"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of each hidden layer's outputs that training sets to zero."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(256, 256), min_length=1)
    """Units of each hidden layer, in order."""
    placement: Placement = "before_activation"
    """Where the norm sits: linear-norm-activation, or linear-activation-norm."""
    bias: bool = True
    """Learn a bias in every linear layer, as the layers are commonly written, though a norm
    that follows at once subtracts it again; false leaves it out there."""

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns the norm of each hidden layer; it sees `(N, C)`."""
        if not self.norm.normalizes:
            return []
        return [NormSite(("norm",), self.norm, (units, 1, 1)) for units in self.hidden]

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.mlp.network import build_mlp

        norm_follows = self.norm.normalizes and self.placement == "before_activation"
        return build_mlp(
            (prod(image_shape), *self.hidden),
            num_classes,
            norm=self.norm,
            placement=self.placement,
            activation=self.activation,
            dropout=self.dropout,
            has_biases=self.bias or not norm_follows,
        )
