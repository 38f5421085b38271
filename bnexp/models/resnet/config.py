"""Residual networks for CIFAR: two blocks, five orders of their layers, four ways to start them."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bnexp.models.model import ConvolutionalConfig
from bnexp.models.plans import (
    ACTIVATIONS,
    MOST_CHANNELS,
    LayerPlan,
    NormSite,
    Plan,
    check_depth,
)

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

Block = Literal["basic", "bottleneck"]

Kind = Literal["conv", "norm", "activation", "dropout", "shift", "scale"]
Layers = tuple[Kind, ...]
Shape = tuple[int, int, int]
"""`(C, H, W)`."""
Convolution = tuple[int, int, int]
"""Output channels, kernel size and stride."""

STAGES = 3
CONVOLUTIONS: dict[Block, tuple[tuple[int, int], ...]] = {
    "basic": ((1, 3), (1, 3)),
    "bottleneck": ((1, 1), (1, 3), (4, 1)),
}
"""A branch's convolutions: output channels as multiples of the stage's width, and kernel size."""
_UNIT: Layers = ("conv", "norm", "activation")


@dataclass(frozen=True)
class BlockOrder:
    """The layers of a residual network, in order."""

    branch: Layers
    """The branch from its first convolution to the addition. If there are three convolutions, one
    more, with norm and activation, comes first."""
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


@dataclass(frozen=True)
class Sizes:
    """How large a residual network is."""

    stem: int
    """Channels that the stem gives."""
    width: int
    """Channels of the first stage; the others have 2 and 4 times as many."""
    blocks: int
    """Blocks per stage."""
    block: Block = "basic"
    """Which convolutions a branch has."""
    dropout: float = 0.0
    """Share of the inputs of each branch's last convolution that training sets to zero."""


class ResidualConfig(ConvolutionalConfig):
    """What residual networks have in common: stem, stages of blocks, tail, the mean over space."""

    order: Order = "original"
    """How convolution, norm and activation follow each other in a block (He et al. 2016,
    "Identity Mappings", figure 4)."""
    shortcut: Literal["identity", "projection"] = "identity"
    """If a block changes the shape: the input subsampled and padded with channels of zeros
    (He et al. 2016, "Deep Residual Learning", option A), or a 1×1 convolution (option B)."""
    residual: Residual = "plain"
    """How a block starts: plain as drawn; zero_gamma with γ = 0 in the branch's last norm
    (Goyal et al. 2017); skipinit with a learned factor, at first 0, on the branch (De & Smith
    2020); fixup with scaled weights, learned numbers and no norm (Zhang et al. 2019)."""

    @field_validator("residual")
    @classmethod
    def _check_residual(cls, residual: Residual, info: ValidationInfo) -> Residual:
        if {"norm", "order", "weight_standardization"} <= info.data.keys():
            reason = _find_conflict(residual, info)
            if reason:
                raise PydanticCustomError("residual", reason)
        return residual

    @abstractmethod
    def sizes(self) -> Sizes:
        """Returns how large the network is."""

    def plan(self, image_shape: Shape) -> tuple[Plan, int]:
        """Returns stem, stages, tail and pooling, and the channels of the last stage."""
        sizes, order = self.sizes(), self._list_layers()
        height, width, channels = image_shape
        shape = (channels, height, width)
        (stem,), shape = self._plan_layers(
            order.stem, shape=shape, convolutions=[(sizes.stem, 3, 1)]
        )
        stages: dict[str, dict[str, LayerPlan]] = {}
        for stage in range(STAGES):
            blocks = stages[f"{stage}"] = {}
            for block in range(sizes.blocks):
                stride = 2 if stage and not block else 1
                convolutions = [
                    (multiple * sizes.width * 2**stage, kernel_size, 1 if index else stride)
                    for index, (multiple, kernel_size) in enumerate(CONVOLUTIONS[sizes.block])
                ]
                is_first = not (stage or block)
                blocks[f"{block}"], shape = self._plan_block(order, shape, convolutions, is_first)
        (tail,), _ = self._plan_layers(order.tail, shape=shape)
        layers = {"stem": stem, "stages": stages, "tail": tail}
        return {**layers, "pool": LayerPlan("GlobalAveragePool")}, shape[0]

    def build(self, image_shape: Shape, num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.resnet.network import ResNet

        return ResNet(super().build(image_shape, num_classes), self.residual)

    def _list_layers(self) -> BlockOrder:
        """Returns the layers in order, with the learned numbers of SkipInit or Fixup."""
        sizes, order = self.sizes(), ORDERS[self.order]
        branch = list(order.branch)
        if sizes.block == "bottleneck":
            branch[:0] = _UNIT
        if sizes.dropout:
            branch.insert(len(branch) - 1 - branch[::-1].index("conv"), "dropout")
        order = replace(order, branch=tuple(branch))
        if self.residual == "fixup":
            order = BlockOrder(*(_with_shifts(layers) for layers in astuple(order)))
            # The linear layer's shift passes through the mean over space unchanged.
            order = replace(order, tail=(*order.tail, "shift"))
        if self.residual in ("skipinit", "fixup"):
            order = replace(order, branch=(*order.branch, "scale"))
        return order

    def _plan_block(
        self,
        order: BlockOrder,
        shape: Shape,
        convolutions: Sequence[Convolution],
        is_first: bool,
    ) -> tuple[LayerPlan, Shape]:
        """Returns a block, and the shape that it gives."""
        (before, branch, after), out_shape = self._plan_layers(
            order.before, order.branch, order.after, shape=shape, convolutions=convolutions
        )
        shortcut: LayerPlan | Plan = LayerPlan("Identity")
        stride, is_reshaped = convolutions[0][2], shape != out_shape
        has_projection = is_reshaped and self.shortcut == "projection"
        if has_projection:
            shortcut = {"conv": self._plan_conv(shape[0], (out_shape[0], 1, stride))}
            # A norm follows the projection if one follows each convolution of the branch.
            if order.branch.count("norm") == len(convolutions):
                shortcut["norm"] = NormSite(("norm",), self.norm, out_shape)
        elif is_reshaped:
            shortcut = LayerPlan("ZeroPaddedShortcut", shape[0], out_shape[0], stride)
        parts = {"before": before, "branch": branch, "shortcut": shortcut, "after": after}
        splits_late = has_projection or is_first
        return LayerPlan("ResidualBlock", **parts, splits_late=splits_late), out_shape

    def _plan_layers(
        self, *sequences: Layers, shape: Shape, convolutions: Iterable[Convolution] = ()
    ) -> tuple[list[Plan], Shape]:
        """Returns layers in sequences that follow each other, and the shape that they give.

        Each kind of layer is numbered through all of them.
        """
        counts: Counter[Kind] = Counter()
        left = iter(convolutions)
        plans: list[Plan] = []
        for kinds in sequences:
            layers: dict[str, LayerPlan | NormSite] = {}
            for kind in kinds:
                counts[kind] += 1
                name = f"{kind}{counts[kind]}"
                if kind == "conv":
                    convolution = next(left)
                    layers[name] = self._plan_conv(shape[0], convolution)
                    shape = _convolve(shape, convolution)
                else:
                    layers[name] = self._plan_layer(kind, shape)
            plans.append(layers)
        return plans, shape

    def _plan_layer(self, kind: Kind, shape: Shape) -> LayerPlan | NormSite:
        """Returns a layer that keeps the shape."""
        match kind:
            case "norm":
                return NormSite(("norm",), self.norm, shape)
            case "activation":
                return LayerPlan(ACTIVATIONS[self.activation])
            case "dropout":
                return LayerPlan("Dropout", self.sizes().dropout)
            case "shift":
                return LayerPlan("Shift")
            case _:
                return LayerPlan("Scale", 0.0 if self.residual == "skipinit" else 1.0)

    def _plan_conv(self, in_channels: int, convolution: Convolution) -> LayerPlan:
        # Fixup has learned numbers of its own in place of biases.
        bias = not self.norm.normalizes and self.residual != "fixup"
        return self.plan_conv(in_channels, *convolution, bias=bias)


class ResNetConfig(ResidualConfig):
    """A 3×3 convolution, three stages of residual blocks, the mean over space, a linear layer.

    The second and third stage halve the image and double the channels. With n blocks per stage,
    the depth is 6n+2 if each has two 3×3 convolutions, and 9n+2 if each is a bottleneck. With a
    norm no convolution has a bias; without one (`norm: none`) each has.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2; the
    bottleneck: "Identity Mappings in Deep Residual Networks", section 4.
    """

    name: Literal["resnet"] = "resnet"
    block: Block = "basic"
    """The convolutions of a block: two of 3×3 (basic), or 1×1, 3×3 and 1×1 (bottleneck), of which
    the last gives 4 times as many channels."""
    depth: int = Field(default=20, ge=8, le=10_000)
    """Layers with weights, 6n+2; the paper has 20, 32, 44, 56 and 110. With bottlenecks 9n+2; the
    paper has 164 and 1001."""
    width: int = Field(default=16, ge=1, le=MOST_CHANNELS)
    """Channels of the first stage; the others have 2 and 4 times as many. Those that leave a
    bottleneck are 4 times as many again."""

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int, info: ValidationInfo) -> int:
        if info.data.get("block") == "bottleneck":
            return check_depth(depth, 9, 2, "29, 164 and 1001")
        return check_depth(depth, 6, 2, "20, 32, 44, 56 and 110")

    def sizes(self) -> Sizes:
        """Returns how large the network is."""
        blocks = (self.depth - 2) // (STAGES * len(CONVOLUTIONS[self.block]))
        return Sizes(stem=self.width, width=self.width, blocks=blocks, block=self.block)

    def plan(self, image_shape: Shape) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it."""
        layers, features = super().plan(image_shape)
        return {**layers, "dropout": self.plan_dropout()}, features


def _convolve(shape: Shape, convolution: Convolution) -> Shape:
    """Returns the shape of a convolution's output if its padding keeps the size at stride 1."""
    _, height, width = shape
    channels, _, stride = convolution
    return channels, (height - 1) // stride + 1, (width - 1) // stride + 1


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
