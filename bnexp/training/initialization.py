"""Initial values that depend on the seed and the parameter's name alone.

Two networks that share a parameter by name and shape therefore start from the same
value of it, whatever else they hold: the one with norm and the one without pair.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from bnexp.seeding import derive_seed


def initialize(model: nn.Module, seed: int) -> None:
    """Sets every convolution's and linear layer's weight and bias; norms keep γ = 1, β = 0.

    Convolutions: normal with standard deviation √(2 / fan_in). The linear layer that
    gives logits: √(1 / fan_in), as no activation follows. Biases: 0.

    Source: He et al. 2015, "Delving Deep into Rectifiers", equation 10.
    """
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, nn.Conv2d | nn.Linear):
                continue
            gain = 2.0 if isinstance(module, nn.Conv2d) else 1.0
            fan_in = module.weight[0].numel()
            generator = torch.Generator().manual_seed(derive_seed(seed, "init", f"{name}.weight"))
            values = torch.empty(module.weight.shape).normal_(generator=generator)
            module.weight.copy_(values * math.sqrt(gain / fan_in))
            if module.bias is not None:
                module.bias.zero_()
