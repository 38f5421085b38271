"""The densely connected network for CIFAR: each layer sees what all before it in its block gave."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from bnexp.models.model import ConvolutionalConfig, ImpossibleModelError
from bnexp.models.plans import (
    MOST_CHANNELS,
    LayerPlan,
    NormSite,
    Placement,
    Plan,
    check_depth,
    plan_norm_and_activation,
)

_BLOCKS = 3
_STEM_CHANNELS = 16
_BOTTLENECK = 4
"""Channels between the two convolutions of a bottleneck, in growth rates."""


class DenseNetConfig(ConvolutionalConfig):
    """A 3×3 convolution, three dense blocks, the mean over space, a linear layer.

    Each layer of a block appends `growth_rate` channels to those that it sees. Between blocks a
    transition, a 1×1 convolution and a 2×2 average pooling, halves the image. Norm and activation
    come before each convolution but the first, and before the mean.

    With `bottleneck: true` and `compression: 0.5` it is DenseNet-BC.

    Source: Huang et al. 2017, "Densely Connected Convolutional Networks", section 3.
    """

    name: Literal["densenet"] = "densenet"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the outputs of each convolution but the first that training sets to zero; the
    paper's is 0.2 if the images are not augmented."""
    placement: Placement = "before_activation"
    """Where the norm sits: norm-activation-convolution, or activation-norm-convolution."""
    bottleneck: bool = False
    """Put a 1×1 convolution that gives 4 times `growth_rate` channels into each layer, before the
    3×3 convolution."""
    compression: float = Field(default=1.0, gt=0, le=1)
    """Share of the channels that a transition keeps; the paper's other choice is 0.5."""
    depth: int = Field(default=40, ge=7, le=10_000)
    """Layers with weights, 3n+4 for n layers per block; the paper has 40 and 100. With bottlenecks
    6n+4; the paper has 100, 190 and 250."""
    growth_rate: int = Field(default=12, ge=1, le=MOST_CHANNELS)
    """Channels that each layer of a block appends; the paper has 12, 24 and 40."""

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int, info: ValidationInfo) -> int:
        if info.data.get("bottleneck"):
            return check_depth(depth, 6, 4, "100, 190 and 250")
        return check_depth(depth, 3, 4, "22, 40 and 100")

    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it.

        Raises:
            ImpossibleModelError: The images are too small to be halved twice.
        """
        height, width, in_channels = image_shape
        if min(height, width) < 2 ** (_BLOCKS - 1):
            reason = f"{width}×{height} pixels cannot be halved {_BLOCKS - 1} times"
            raise ImpossibleModelError(("name",), reason)
        is_bc = self.bottleneck and self.compression < 1
        channels = 2 * self.growth_rate if is_bc else _STEM_CHANNELS
        stem = self.plan_conv(in_channels, channels, 3, 1, bias=self._has_biases)
        blocks: dict[str, dict[str, LayerPlan | Plan]] = {}
        for block in range(_BLOCKS):
            layers = blocks[f"{block}"] = {}
            for layer in range((self.depth - 4) // (6 if self.bottleneck else 3)):
                branch = self._plan_branch((channels, height, width))
                layers[f"{layer}"] = LayerPlan("DenseLayer", branch=branch)
                channels += self.growth_rate
            if block < _BLOCKS - 1:
                kept = max(1, int(self.compression * channels))
                unit = self._plan_unit((channels, height, width), kept, 1)
                layers["transition"] = {**unit, "pool": LayerPlan("AvgPool2d", 2)}
                channels, height, width = kept, height // 2, width // 2
        tail = self._plan_norm_and_activation((channels, height, width))
        pool = LayerPlan("GlobalAveragePool")
        return {"stem": {"conv": stem}, "blocks": blocks, "tail": tail, "pool": pool}, channels

    def _plan_branch(self, shape: tuple[int, int, int]) -> Plan:
        """Returns the layers that compute what a dense layer appends."""
        if not self.bottleneck:
            return self._plan_unit(shape, self.growth_rate, 3)
        inner = _BOTTLENECK * self.growth_rate
        return {
            "bottleneck": self._plan_unit(shape, inner, 1),
            **self._plan_unit((inner, *shape[1:]), self.growth_rate, 3),
        }

    def _plan_unit(
        self, shape: tuple[int, int, int], out_channels: int, kernel_size: int
    ) -> dict[str, LayerPlan | NormSite]:
        """Returns norm, activation, convolution and dropout."""
        conv = self.plan_conv(shape[0], out_channels, kernel_size, 1, bias=self._has_biases)
        layers = {**self._plan_norm_and_activation(shape), "conv": conv}
        return {**layers, "dropout": self.plan_dropout()} if self.dropout else layers

    def _plan_norm_and_activation(
        self, shape: tuple[int, int, int]
    ) -> dict[str, LayerPlan | NormSite]:
        site = NormSite(("norm",), self.norm, shape)
        return plan_norm_and_activation(site, self.activation, self.placement)

    @property
    def _has_biases(self) -> bool:
        # The norm that comes next, behind concatenations and poolings, subtracts them.
        return self.placement == "after_activation" or not self.norm.normalizes
