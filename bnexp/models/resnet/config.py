"""The residual network for CIFAR: five orders of its block, and four ways to start it."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bnexp.models.model import ConvolutionalConfig
from bnexp.models.plans import ACTIVATIONS, MOST_CHANNELS, LayerPlan, NormSite, Plan

if TYPE_CHECKING:
    from torch import nn

Order = Literal[
    "original",
    "norm_after_add",
    "activation_before_add",
    "activation_only_preactivation",
    "full_preactivation",
]
Residual = Literal["plain", "zero_gamma", "skipinit", "fixup"]

Kind = Literal["conv", "norm", "activation", "shift", "scale"]
Layers = tuple[Kind, ...]
Shape = tuple[int, int, int]
"""`(C, H, W)`."""

STAGES = 3
CONVOLUTIONS_IN_BRANCH = 2
_UNIT: Layers = ("conv", "norm", "activation")


@dataclass(frozen=True)
class BlockOrder:
    """The layers of a residual network, in order."""

    branch: Layers
    """The branch from its first convolution to the addition."""
    stem: Layers = _UNIT
    """From the image to the first block."""
    before: Layers = ()
    """The branch's layers before its first convolution."""
    after: Layers = ()
    """After the addition, on shortcut and branch."""
    tail: Layers = ()
    """From the last block to the pooling."""


ORDERS: dict[Order, BlockOrder] = {
    "original": BlockOrder((*_UNIT, "conv", "norm"), after=("activation",)),
    "norm_after_add": BlockOrder((*_UNIT, "conv"), after=("norm", "activation")),
    "activation_before_add": BlockOrder((*_UNIT, *_UNIT)),
    "activation_only_preactivation": BlockOrder(
        (*_UNIT, "conv", "norm"),
        stem=("conv", "norm"),
        before=("activation",),
        tail=("activation",),
    ),
    "full_preactivation": BlockOrder(
        (*_UNIT, "conv"),
        stem=("conv",),
        before=("norm", "activation"),
        tail=("norm", "activation"),
    ),
}
"""He et al. 2016, "Identity Mappings in Deep Residual Networks", figure 4."""


class ResNetConfig(ConvolutionalConfig):
    """A 3×3 convolution, three stages of residual blocks, the mean over space, a linear layer.

    Depth 6n+2 has n blocks per stage, each with two 3×3 convolutions; the second and third
    stage halve the image and double the channels. With a norm no convolution has
    a bias; without one (`norm: none`) each has.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.
    """

    name: Literal["resnet"] = "resnet"
    depth: int = Field(default=20, ge=8, le=10_000)
    """Layers with weights, 6n+2; the paper has 20, 32, 44, 56 and 110."""
    width: int = Field(default=16, ge=1, le=MOST_CHANNELS)
    """Channels of the first stage; the others have 2 and 4 times as many. Widening by k as in
    wide residual networks is 16·k."""
    order: Order = "original"
    """How convolution, norm and activation follow each other in a block (He et al. 2016,
    "Identity Mappings", figure 4)."""
    shortcut: Literal["identity", "projection"] = "identity"
    """If a block changes the shape: the input subsampled and padded with channels of zeros
    (the paper's option A), or a 1×1 convolution (option B)."""
    residual: Residual = "plain"
    """How a block starts: plain as drawn; zero_gamma with γ = 0 in the branch's last norm
    (Goyal et al. 2017); skipinit with a learned factor, at first 0, on the branch (De & Smith
    2020); fixup with scaled weights, learned numbers and no norm (Zhang et al. 2019)."""

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int) -> int:
        if (depth - 2) % 6:
            below = depth - (depth - 2) % 6
            reason = (
                "must be 6n+2, e.g. 20, 32, 44, 56 and 110; the nearest are {below} and {above}"
            )
            raise PydanticCustomError("depth", reason, {"below": below, "above": below + 6})
        return depth

    @field_validator("residual")
    @classmethod
    def _check_residual(cls, residual: Residual, info: ValidationInfo) -> Residual:
        if {"norm", "order", "weight_standardization"} <= info.data.keys():
            reason = _find_conflict(residual, info)
            if reason:
                raise PydanticCustomError("residual", reason)
        return residual

    def plan(self, image_shape: Shape) -> tuple[Plan, int]:
        """Returns stem, stages, tail and pooling, and the channels of the last stage."""
        height, width, channels = image_shape
        order, shape = self._list_layers(), (self.width, height, width)
        (stem,) = self._plan_layers(order.stem, shape=(channels, height, width), out_shape=shape)
        stages: dict[str, dict[str, LayerPlan]] = {}
        for stage in range(STAGES):
            blocks = stages[f"{stage}"] = {}
            for block in range((self.depth - 2) // 6):
                stride = 2 if stage and not block else 1
                is_first = not (stage or block)
                blocks[f"{block}"], shape = self._plan_block(order, shape, stride, is_first)
        (tail,) = self._plan_layers(order.tail, shape=shape, out_shape=shape)
        layers = {"stem": stem, "stages": stages, "tail": tail}
        pool = LayerPlan("GlobalAveragePool")
        return {**layers, "pool": pool, "dropout": self.plan_dropout()}, shape[0]

    def build(self, image_shape: Shape, num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.resnet.network import ResNet

        return ResNet(super().build(image_shape, num_classes), self.residual)

    def _list_layers(self) -> BlockOrder:
        """Returns the layers in order, with the learned numbers of SkipInit or Fixup."""
        order = ORDERS[self.order]
        if self.residual == "fixup":
            order = BlockOrder(*(_with_shifts(layers) for layers in astuple(order)))
            # The linear layer's shift passes through the mean over space unchanged.
            order = replace(order, tail=(*order.tail, "shift"))
        if self.residual in ("skipinit", "fixup"):
            order = replace(order, branch=(*order.branch, "scale"))
        return order

    def _plan_block(
        self, order: BlockOrder, shape: Shape, stride: int, is_first: bool
    ) -> tuple[LayerPlan, Shape]:
        """Returns a block, which doubles the channels if its stride is 2, and what it gives."""
        channels, height, width = shape
        out_shape = (channels * stride, (height - 1) // stride + 1, (width - 1) // stride + 1)
        before, branch, after = self._plan_layers(
            order.before, order.branch, order.after, shape=shape, out_shape=out_shape, stride=stride
        )
        shortcut: LayerPlan | Plan = LayerPlan("Identity")
        has_projection = stride > 1 and self.shortcut == "projection"
        if has_projection:
            projection = self._plan_conv(shape, out_shape, stride, kernel_size=1)
            shortcut = {"conv": projection}
            # A norm follows the projection if one follows each convolution of the branch.
            if order.branch.count("norm") == CONVOLUTIONS_IN_BRANCH:
                shortcut["norm"] = NormSite(("norm",), self.norm, out_shape)
        elif stride > 1:
            shortcut = LayerPlan("ZeroPaddedShortcut", channels, out_shape[0], stride)
        parts = {"before": before, "branch": branch, "shortcut": shortcut, "after": after}
        splits_late = has_projection or is_first
        return LayerPlan("ResidualBlock", **parts, splits_late=splits_late), out_shape

    def _plan_layers(
        self, *sequences: Layers, shape: Shape, out_shape: Shape, stride: int = 1
    ) -> list[Plan]:
        """Returns layers in sequences that follow each other, each kind numbered through them.

        The first convolution changes the shape.
        """
        counts: Counter[Kind] = Counter()
        plans: list[Plan] = []
        for kinds in sequences:
            layers: dict[str, LayerPlan | NormSite] = {}
            for kind in kinds:
                counts[kind] += 1
                layers[f"{kind}{counts[kind]}"] = self._plan_layer(kind, shape, out_shape, stride)
                if kind == "conv":
                    shape, stride = out_shape, 1
            plans.append(layers)
        return plans

    def _plan_layer(
        self, kind: Kind, shape: Shape, out_shape: Shape, stride: int
    ) -> LayerPlan | NormSite:
        match kind:
            case "conv":
                return self._plan_conv(shape, out_shape, stride, kernel_size=3)
            case "norm":
                return NormSite(("norm",), self.norm, shape)
            case "activation":
                return LayerPlan(ACTIVATIONS[self.activation])
            case "shift":
                return LayerPlan("Shift")
            case "scale":
                return LayerPlan("Scale", 0.0 if self.residual == "skipinit" else 1.0)

    def _plan_conv(
        self, shape: Shape, out_shape: Shape, stride: int, kernel_size: int
    ) -> LayerPlan:
        # Fixup has learned numbers of its own in place of biases.
        bias = not self.norm.normalizes and self.residual != "fixup"
        return self.plan_conv(shape[0], out_shape[0], kernel_size, stride, bias=bias)


def _with_shifts(layers: Layers) -> Layers:
    """Returns the layers with a learned shift before each convolution and activation."""
    shifted: list[Kind] = []
    for layer in layers:
        shifted += ["shift", layer] if layer in ("conv", "activation") else [layer]
    return tuple(shifted)


def _find_conflict(residual: Residual, info: ValidationInfo) -> str | None:
    """Returns why this start of a block does not go with the other fields; None if it does."""
    norm, order = info.data["norm"], info.data["order"]
    if residual == "fixup" and norm.normalizes:
        return "fixup stands in for the norm; set norm: none, or use zero_gamma or skipinit"
    if residual == "fixup" and ORDERS[order].branch[-1] == "activation":
        return (
            "fixup starts the last convolution at 0, where the activation that ends this order's "
            "branch passes no gradient on; use another order, or skipinit"
        )
    if residual == "fixup" and info.data["weight_standardization"]:
        return "weight standardization undoes the weights' scale that fixup sets; remove one"
    if residual != "zero_gamma":
        return None
    if not norm.normalizes:
        return "zero_gamma starts the γ of a norm at 0, but norm is none; use plain or skipinit"
    if not getattr(norm, "affine", True):
        return "zero_gamma starts the norm's γ at 0; set norm.affine: true"
    if ORDERS[order].branch[-1] != "norm":
        ends = ", ".join(name for name, each in ORDERS.items() if each.branch[-1] == "norm")
        return f"zero_gamma needs a branch that ends with its norm (order: {ends}); use skipinit"
    return None
