"""The residual network for CIFAR: five orders of its block, and four ways to start it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bnexp.models.model import ConvolutionalConfig, NormSite
from bnexp.models.plans import BlockOrder, Layers, ResidualPlan, ResNetPlan

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

STAGES = 3


def _order(
    stem: str = "conv norm activation",
    before: str = "",
    branch: str = "",
    after: str = "",
    tail: str = "",
) -> BlockOrder:
    return BlockOrder(*(tuple(layers.split()) for layers in (stem, before, branch, after, tail)))


ORDERS: dict[Order, BlockOrder] = {
    "original": _order(branch="conv norm activation conv norm", after="activation"),
    "norm_after_add": _order(branch="conv norm activation conv", after="norm activation"),
    "activation_before_add": _order(branch="conv norm activation conv norm activation"),
    "activation_only_preactivation": _order(
        stem="conv norm",
        before="activation",
        branch="conv norm activation conv norm",
        tail="activation",
    ),
    "full_preactivation": _order(
        stem="conv",
        before="norm activation",
        branch="conv norm activation conv",
        tail="norm activation",
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
    depth: int = Field(default=20, ge=8)
    """Layers with weights, 6n+2; the paper has 20, 32, 44, 56 and 110."""
    width: int = Field(default=16, ge=1)
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

    def plan(self, image_shape: tuple[int, int, int]) -> ResNetPlan:
        """Returns the network with every choice made, for images of height, width, channels."""
        height, width, in_channels = image_shape
        return ResNetPlan(
            order=self._list_layers(),
            in_channels=in_channels,
            width=self.width,
            blocks=tuple(self._plan_stages((height, width))),
            norm=self.norm,
            activation=self.activation,
            convolution_options={
                # Fixup has learned numbers of its own.
                "bias": not self.norm.normalizes and self.residual != "fixup",
                "weight_standardization": self.weight_standardization,
            },
            residual=self.residual,
            dropout=self.dropout,
        )

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns the norms of stem, blocks and tail with the `(C, H, W)` that each sees."""
        if not self.norm.normalizes:
            return []
        shapes = _iterate_norm_shapes(self.plan(image_shape), image_shape[:2])
        return [NormSite(("norm",), self.norm, shape) for shape in shapes]

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.resnet.network import ResNet

        return ResNet(self.plan(image_shape), num_classes)

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

    def _plan_stages(self, size: tuple[int, int]) -> Iterator[tuple[ResidualPlan, ...]]:
        channels = self.width
        for stage in range(STAGES):
            blocks = []
            for block in range((self.depth - 2) // 6):
                stride = 2 if stage and not block else 1
                output_size = ((size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1)
                has_projection = stride > 1 and self.shortcut == "projection"
                plan = ResidualPlan(
                    in_channels=channels,
                    out_channels=self.width * 2**stage,
                    stride=stride,
                    input_size=size,
                    output_size=output_size,
                    has_projection=has_projection,
                    splits_late=has_projection or not (stage or block),
                )
                blocks.append(plan)
                channels, size = plan.out_channels, output_size
            yield tuple(blocks)


def _iterate_norm_shapes(
    plan: ResNetPlan, image_size: tuple[int, int]
) -> Iterator[tuple[int, int, int]]:
    order = plan.order
    shape = (plan.width, *image_size)
    yield from [shape] * order.stem.count("norm")
    for block in (block for stage in plan.blocks for block in stage):
        before = (block.in_channels, *block.input_size)
        shape = (block.out_channels, *block.output_size)
        yield from [before] * order.before.count("norm")
        yield from [shape] * (
            order.branch.count("norm")
            + (block.has_projection and order.normalizes_shortcut)
            + order.after.count("norm")
        )
    yield from [shape] * order.tail.count("norm")


def _with_shifts(layers: Layers) -> Layers:
    """Returns the layers with a learned shift before each convolution and activation."""
    shifted: list[str] = []
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
