"""Initial values that depend on the seed and the parameter's name alone.

Two networks that share a parameter by name and shape therefore start from the same
value of it, whatever else they hold: the one with norm and the one without pair.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bnexp.models.borrowed.own import OwnInitializationConfig
from bnexp.models.initialization import HeConfig, InitializationConfig
from bnexp.models.model import FinishesInitialization
from bnexp.seeding import derive_seed

DEFAULT_SCHEME = HeConfig()


def initialize(model: nn.Module, seed: int, scheme: InitializationConfig = DEFAULT_SCHEME) -> None:
    """Sets every convolution's and linear layer's weight and bias; norms keep γ = 1, β = 0.

    Weights are normal with the scheme's standard deviation. The last linear layer, which
    gives logits, takes √(1 / fan_in) times the scheme's scale under every scheme, as no
    activation follows it. Biases: 0. A network that `FinishesInitialization` then does so.
    A scheme that leaves the network's own weights only multiplies them by its scale.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    if isinstance(scheme, OwnInitializationConfig):
        with torch.no_grad():
            for layer in layers.values():
                layer.weight.mul_(scheme.scale)
        return
    output = find_output_layer(model)
    with torch.no_grad():
        for name, layer in layers.items():
            std = _compute_std(layer.weight, scheme, is_output=name == output)
            generator = torch.Generator().manual_seed(derive_seed(seed, "init", f"{name}.weight"))
            values = torch.empty(layer.weight.shape).normal_(generator=generator)
            layer.weight.copy_(values * std)
            if layer.bias is not None:
                layer.bias.zero_()
        if isinstance(model, FinishesInitialization):
            model.finish_initialization()


def find_output_layer(model: nn.Module) -> str | None:
    """Returns the name of the last linear layer, which gives logits; None if there is none."""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def _compute_std(weight: Tensor, scheme: InitializationConfig, *, is_output: bool) -> float:
    fan_in = weight[0].numel()
    if is_output:
        return scheme.scale * math.sqrt(1.0 / fan_in)
    # As PyTorch counts them, in grouped convolutions too.
    fan_out = weight.shape[0] * weight[0, 0].numel()
    return scheme.scale * scheme.compute_std(fan_in, fan_out)
