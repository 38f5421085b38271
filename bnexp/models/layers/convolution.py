"""The convolution of bnexp's own networks."""

from __future__ import annotations

from torch import nn

from bnexp.models.layers.weight_standardization import WSConv2d


def build_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    bias: bool,
    weight_standardization: bool,
) -> nn.Conv2d:
    """Returns a convolution whose padding keeps the size at stride 1.

    With or without weight standardization it has the same parameters by the same names.
    """
    kind = WSConv2d if weight_standardization else nn.Conv2d
    padding = kernel_size // 2
    return kind(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias)
