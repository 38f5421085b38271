"""The wide residual network for CIFAR: few blocks with many channels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bnexp.models.plans import check_depth
from bnexp.models.resnet.config import Order, ResidualConfig, Sizes

_STEM_CHANNELS = 16


class WideResNetConfig(ResidualConfig):
    """A ResNet with a stem of 16 channels, and stages of 16·k, 32·k and 64·k channels.

    WRN-28-10 is depth 28 with k = 10. Order, shortcuts and starts of the blocks are those of
    `resnet`; the defaults are the paper's: norm and activation come before each convolution, and
    a 1×1 convolution is the shortcut of a block that changes the shape.

    Source: Zagoruyko & Komodakis 2016, "Wide Residual Networks", table 1 and section 2.4.
    """

    name: Literal["wide_resnet"] = "wide_resnet"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the inputs of each block's second convolution that training sets to zero; the
    paper's is 0.3."""
    order: Order = "full_preactivation"
    """How convolution, norm and activation follow each other in a block (He et al. 2016,
    "Identity Mappings", figure 4)."""
    shortcut: Literal["identity", "projection"] = "projection"
    """If a block changes the shape: a 1×1 convolution, or the input subsampled and padded with
    channels of zeros."""
    depth: int = Field(default=16, ge=10, le=10_000)
    """Convolutions, 6n+4 for n blocks per stage, with those of three shortcuts; the paper has 16,
    22, 28 and 40."""
    widen_factor: int = Field(default=4, ge=1, le=1_000)
    """k: how many times as many channels as a ResNet of width 16; the paper has 1 to 12."""

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int) -> int:
        return check_depth(depth, 6, 4, "16, 22, 28 and 40")

    def sizes(self) -> Sizes:
        """Returns how large the network is."""
        return Sizes(
            stem=_STEM_CHANNELS,
            width=_STEM_CHANNELS * self.widen_factor,
            blocks=(self.depth - 4) // 6,
            dropout=self.dropout,
        )
