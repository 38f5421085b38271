"""The multilayer perceptron as a module."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from math import prod

from torch import nn

from bnexp.models.activations import build_activation
from bnexp.models.mlp.config import MlpConfig


def build_mlp(
    config: MlpConfig, image_shape: tuple[int, int, int], num_classes: int
) -> nn.Sequential:
    """Returns the network that `config` describes, for images of height, width, channels."""
    sizes = (prod(image_shape), *config.hidden)
    layers = (_build_layer(config, inputs, units) for inputs, units in pairwise(sizes))
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            layers=nn.Sequential(*layers),
            linear=nn.Linear(sizes[-1], num_classes),
        )
    )


def _build_layer(config: MlpConfig, in_features: int, units: int) -> nn.Sequential:
    linear = nn.Linear(in_features, units, bias=config.has_hidden_biases)
    norm = config.norm.build(units, 1)
    activation = build_activation(config.activation)
    dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
    if config.placement == "before_activation":
        order = OrderedDict(linear=linear, norm=norm, activation=activation, dropout=dropout)
    else:
        order = OrderedDict(linear=linear, activation=activation, norm=norm, dropout=dropout)
    return nn.Sequential(order)
