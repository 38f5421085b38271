"""The plain CNN as a module; parameter names do not depend on the norm, so that cells pair."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from bnexp.models.activations import build_activation
from bnexp.models.layers import GlobalAveragePool, build_conv, build_dropout
from bnexp.models.plans import BlockPlan, PoolPlan


def build_cnn(
    steps: Sequence[BlockPlan | PoolPlan], num_classes: int, *, is_pooled: bool, dropout: float
) -> nn.Sequential:
    """Returns the planned layers, then the mean over space (or all pixels) and a linear layer."""
    channels = next(step.out_channels for step in reversed(steps) if isinstance(step, BlockPlan))
    height, width = steps[-1].output_size
    return nn.Sequential(
        OrderedDict(
            layers=nn.Sequential(*(_build_step(step) for step in steps)),
            pool=GlobalAveragePool() if is_pooled else nn.Flatten(),
            dropout=build_dropout(dropout),
            linear=nn.Linear(channels if is_pooled else channels * height * width, num_classes),
        )
    )


def _build_step(step: BlockPlan | PoolPlan) -> nn.Module:
    if isinstance(step, PoolPlan):
        return nn.MaxPool2d(step.size) if step.pool == "max" else nn.AvgPool2d(step.size)
    conv = build_conv(
        step.in_channels,
        step.out_channels,
        step.kernel_size,
        stride=step.stride,
        bias=step.has_bias,
        weight_standardization=step.weight_standardization,
    )
    norm, activation = step.norm.build(step.out_channels), build_activation(step.activation)
    if step.placement == "before_activation":
        return nn.Sequential(OrderedDict(conv=conv, norm=norm, activation=activation))
    return nn.Sequential(OrderedDict(conv=conv, activation=activation, norm=norm))
