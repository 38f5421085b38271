"""A multilayer perceptron: linear layers alone, with the norm in its 1-d form."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from bnexp.models.model import NetworkConfig
from bnexp.models.plans import (
    MOST_CHANNELS,
    LayerPlan,
    NormSite,
    Placement,
    Plan,
    plan_norm_and_activation,
)


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
    hidden: tuple[Annotated[int, Field(ge=1, le=MOST_CHANNELS)], ...] = Field(
        default=(256, 256), min_length=1
    )
    """Units of each hidden layer, in order."""
    placement: Placement = "before_activation"
    """Where the norm sits: linear-norm-activation, or linear-activation-norm."""
    bias: bool = True
    """Learn a bias in every linear layer, as the layers are commonly written, though a norm
    that follows at once subtracts it again; false leaves it out there."""

    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the hidden layers, and the units of the last one."""
        norm_follows = self.norm.normalizes and self.placement == "before_activation"
        layers: dict[str, Plan] = {}
        for index, (features, units) in enumerate(pairwise((prod(image_shape), *self.hidden))):
            site = NormSite(("norm",), self.norm, (units, 1, 1), dimensions=1)
            layers[f"{index}"] = {
                "linear": LayerPlan("Linear", features, units, self.bias or not norm_follows),
                **plan_norm_and_activation(site, self.activation, self.placement),
                "dropout": self.plan_dropout(),
            }
        return {"flatten": LayerPlan("Flatten"), "layers": layers}, self.hidden[-1]
