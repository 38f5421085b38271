"""Networks with every choice made and every size known: what configs plan and networks build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bnexp.models.activations import Activation
from bnexp.models.model import Placement
from bnexp.norms import NormConfig

Layers = tuple[str, ...]
"""Kinds of layers in order: `conv`, `norm`, `activation`, `shift`, `scale`."""

CONVOLUTIONS_IN_BRANCH = 2


@dataclass(frozen=True)
class BlockPlan:
    """One convolution with its norm and activation."""

    path: tuple[str | int, ...]
    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    norm: NormConfig
    placement: Placement
    activation: Activation
    weight_standardization: bool
    output_size: tuple[int, int]
    """Height and width after the convolution."""

    @property
    def has_bias(self) -> bool:
        """Whether the convolution learns a bias: not if a norm subtracts it at once."""
        return self.placement == "after_activation" or not self.norm.normalizes


@dataclass(frozen=True)
class PoolPlan:
    """One pooling."""

    pool: Literal["max", "avg"]
    size: int
    output_size: tuple[int, int]


@dataclass(frozen=True)
class BlockOrder:
    """The layers of a residual network, in order."""

    stem: Layers
    """From the image to the first block."""
    before: Layers
    """The branch's layers before its first convolution."""
    branch: Layers
    """The branch from its first convolution to the addition."""
    after: Layers
    """After the addition, on shortcut and branch."""
    tail: Layers
    """From the last block to the pooling."""

    @property
    def normalizes_shortcut(self) -> bool:
        """Whether a norm follows a projection: only if one follows each convolution of a branch."""
        return self.branch.count("norm") == CONVOLUTIONS_IN_BRANCH


@dataclass(frozen=True)
class ResidualPlan:
    """One residual block."""

    in_channels: int
    out_channels: int
    stride: int
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    has_projection: bool
    splits_late: bool
    """Whether the shortcut too starts after the layers `before` the branch."""


@dataclass(frozen=True)
class ResNetPlan:
    """A whole residual network, up to its linear layer."""

    order: BlockOrder
    in_channels: int
    width: int
    """Channels after the stem."""
    blocks: tuple[tuple[ResidualPlan, ...], ...]
    """The blocks of each stage."""
    norm: NormConfig
    activation: Activation
    convolution_options: dict[str, bool]
    """Whether convolutions have a `bias`, and whether they have `weight_standardization`."""
    residual: Literal["plain", "zero_gamma", "skipinit", "fixup"]
    dropout: float
