"""The multilayer perceptron as a module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from bnexp.models.activations import Activation, build_activation
from bnexp.models.layers import build_dropout
from bnexp.models.model import Placement
from bnexp.norms import NormConfig


def build_mlp(
    sizes: Sequence[int],
    num_classes: int,
    *,
    norm: NormConfig,
    placement: Placement,
    activation: Activation,
    dropout: float,
    has_biases: bool,
) -> nn.Sequential:
    """Returns hidden layers between the `sizes` (the first is the image's), then a linear layer."""

    def build_layer(in_features: int, units: int) -> nn.Sequential:
        layers = OrderedDict[str, nn.Module](
            linear=nn.Linear(in_features, units, bias=has_biases),
            norm=norm.build(units, 1),
            activation=build_activation(activation),
            dropout=build_dropout(dropout),
        )
        if placement == "after_activation":
            layers.move_to_end("norm")
            layers.move_to_end("dropout")
        return nn.Sequential(layers)

    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            layers=nn.Sequential(*(build_layer(*pair) for pair in pairwise(sizes))),
            linear=nn.Linear(sizes[-1], num_classes),
        )
    )
