"""ConvMixer: the image in patches, then convolutions over space and over channels in turn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bnexp.models.model import ConvolutionalConfig, ImpossibleModelError
from bnexp.models.plans import (
    MOST_CHANNELS,
    Activation,
    LayerPlan,
    NormSite,
    OddKernelSize,
    Placement,
    Plan,
    plan_norm_and_activation,
)


class ConvMixerConfig(ConvolutionalConfig):
    """Patches by one convolution, `depth` equal layers, the mean over space, a linear layer.

    A layer mixes each channel over space by a depthwise convolution with a shortcut around it,
    then mixes channels at each pixel by a 1×1 convolution. Norm and activation follow each
    convolution. ConvMixer-256/8 is width 256 with depth 8.

    Source: Trockman & Kolter 2022, "Patches Are All You Need?", section 2.
    """

    name: Literal["convmixer"] = "convmixer"
    activation: Activation = "gelu"
    """The activation after each convolution."""
    placement: Placement = "after_activation"
    """Where the norm sits: convolution-activation-norm as in the paper, or
    convolution-norm-activation."""
    width: int = Field(default=256, ge=1, le=MOST_CHANNELS)
    """Channels of every layer, h in the paper."""
    depth: int = Field(default=8, ge=1, le=10_000)
    """Layers, each with two convolutions, d in the paper."""
    kernel_size: OddKernelSize = 5
    """Height and width of the depthwise kernels, odd, k in the paper."""
    patch_size: int = Field(default=2, ge=1)
    """Height and width of a patch in pixels, p in the paper."""

    def plan(self, image_shape: tuple[int, int, int]) -> tuple[Plan, int]:
        """Returns the layers before the last linear one, and the features that they give it.

        Raises:
            ImpossibleModelError: The images are smaller than a patch.
        """
        height, width, channels = image_shape
        patch = self.patch_size
        if patch > min(height, width):
            reason = f"is more than the images' {width}×{height} pixels"
            raise ImpossibleModelError(("patch_size",), reason)
        shape = (self.width, height // patch, width // patch)
        stem = self._plan_unit(channels, shape, patch, stride=patch, padding=0)
        layers = {f"{index}": self._plan_layer(shape) for index in range(self.depth)}
        plan: Plan = {
            "stem": stem,
            "layers": layers,
            "pool": LayerPlan("GlobalAveragePool"),
            "dropout": self.plan_dropout(),
        }
        return plan, self.width

    def _plan_layer(self, shape: tuple[int, int, int]) -> Plan:
        depthwise = LayerPlan(
            "ResidualBlock",
            before={},
            branch=self._plan_unit(self.width, shape, self.kernel_size, groups=self.width),
            shortcut=LayerPlan("Identity"),
            after={},
            splits_late=False,
        )
        return {"depthwise": depthwise, "pointwise": self._plan_unit(self.width, shape, 1)}

    def _plan_unit(
        self,
        in_channels: int,
        shape: tuple[int, int, int],
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
    ) -> Plan:
        """Returns a convolution that gives this shape, with its norm and activation."""
        conv = self.plan_conv(
            in_channels,
            self.width,
            kernel_size,
            stride,
            bias=self.placement == "after_activation" or not self.norm.normalizes,
            padding=padding,
            groups=groups,
        )
        site = NormSite(("norm",), self.norm, shape)
        return {"conv": conv, **plan_norm_and_activation(site, self.activation, self.placement)}
