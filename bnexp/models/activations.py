"""The activation functions that a config can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Activation = Literal["relu", "leaky_relu", "elu", "prelu", "gelu", "silu", "tanh", "sigmoid"]

_CLASSES: dict[str, str] = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "prelu": "PReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}


def build_activation(name: Activation) -> nn.Module:
    """Returns PyTorch's layer of that name, with PyTorch's defaults."""
    from torch import nn

    layer: nn.Module = getattr(nn, _CLASSES[name])()
    return layer
