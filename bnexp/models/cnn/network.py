"""The plain CNN as a module; parameter names do not depend on the norm, so that cells pair."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from bnexp.models.activations import build_activation
from bnexp.models.cnn.config import BlockPlan, PlainCnnConfig, PoolPlan
from bnexp.models.layers.basic import GlobalAveragePool
from bnexp.models.layers.convolution import build_conv


def build_cnn(
    config: PlainCnnConfig, image_shape: tuple[int, int, int], num_classes: int
) -> nn.Sequential:
    """Returns the network that `config` describes, for images of height, width, channels."""
    steps = config.plan(image_shape)
    layers = nn.Sequential(*(_build_step(step) for step in steps))
    channels = next(step.out_channels for step in reversed(steps) if isinstance(step, BlockPlan))
    height, width = steps[-1].output_size
    is_pooled = config.head == "global_avg_pool"
    in_features = channels if is_pooled else channels * height * width
    return nn.Sequential(
        OrderedDict(
            layers=layers,
            pool=GlobalAveragePool() if is_pooled else nn.Flatten(),
            dropout=nn.Dropout(config.dropout) if config.dropout else nn.Identity(),
            linear=nn.Linear(in_features, num_classes),
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
    norm = step.norm.build(step.out_channels)
    activation = build_activation(step.activation)
    if step.placement == "before_activation":
        return nn.Sequential(OrderedDict(conv=conv, norm=norm, activation=activation))
    return nn.Sequential(OrderedDict(conv=conv, activation=activation, norm=norm))
