"""What a step does with its gradients: clip them, then update what is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from bnexp.config.optim import OptimizerConfig
from bnexp.training.initialization import find_output_layer
from bnexp.training.optimization.trainable import Trained

UNIT_EPS = 1e-3
"""The least norm that a unit's weights count as, so that zeros can learn; the paper's."""

Update = Callable[[], Tensor | None]
"""Updates the network with its gradients; returns the share that was clipped, if any may be."""


def build_update(
    config: OptimizerConfig, model: nn.Module, optimizer: torch.optim.Optimizer, trained: Trained
) -> Update | None:
    """Returns what a step does after its backward pass; None if that is the optimiser's step."""
    clip = _build_clipping(config, model, trained)
    parts = list(trained.parts.values())
    if clip is None and not parts:
        return None

    def update() -> Tensor | None:
        for part in parts:
            part.take()
        clipped = clip() if clip else None
        optimizer.step()
        for part in parts:
            part.put_back()
        return clipped

    return update


def _build_clipping(
    config: OptimizerConfig, model: nn.Module, trained: Trained
) -> Callable[[], Tensor] | None:
    if config.clip_norm is not None:
        return partial(clip_norm, list(trained.parameters.values()), config.clip_norm)
    if config.adaptive_clip is not None:
        output = find_output_layer(model)
        units = [
            value for name, value in trained.whole.items() if name.rpartition(".")[0] != output
        ]
        return partial(clip_units, units, config.adaptive_clip)
    return None


def clip_norm(parameters: Sequence[nn.Parameter], largest: float) -> Tensor:
    """Scales all gradients down if their norm together is larger; returns 1 if so, else 0.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks",
    algorithm 1.
    """
    return (nn.utils.clip_grad_norm_(parameters, largest) > largest).float()


@torch.no_grad()
def clip_units(parameters: Sequence[nn.Parameter], ratio: float) -> Tensor:
    """Scales down each unit's gradient of a norm above `ratio` times that of its weights.

    A unit is an output channel of a convolution or of a linear layer; a vector (bias, γ, β) is
    one. Returns the share of units that were clipped.

    Source: Brock et al. 2021, "High-Performance Large-Scale Image Recognition Without
    Normalization", equation 3.
    """
    flags = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        limit = ratio * _unit_norms(parameter).clamp(min=UNIT_EPS)
        norms = _unit_norms(parameter.grad)
        is_clipped = norms > limit
        parameter.grad.mul_(torch.where(is_clipped, limit / norms, 1.0))
        flags.append(is_clipped.flatten())
    return torch.cat(flags).float().mean()


def _unit_norms(values: Tensor) -> Tensor:
    """Returns the norm of each unit, in a shape that broadcasts over them."""
    dims = tuple(range(1, values.dim())) or None
    norms: Tensor = torch.linalg.vector_norm(values, dim=dims, keepdim=True)
    return norms
