"""Builds networks of other libraries with our norms, and finds out where they normalize."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from bnexp.models.borrowed.config import BorrowedConfig
from bnexp.models.model import ImpossibleModelError

UNFIT = (TypeError, ValueError, RuntimeError, AssertionError)
"""What libraries raise where a network does not fit its arguments or its input."""


class NormProbe(nn.Module):
    """Stands where a norm would and notes the shape that reaches it."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.shape: tuple[int, ...] | None = None
        """Without the batch; None until something has come through."""

    @property
    def sees_features(self) -> bool:
        """Whether what came through was `(N, C, H, W)` or `(N, C)` with C as announced."""
        shape = self.shape
        return shape is None or (len(shape) in (1, 3) and shape[0] == self.num_features)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the input."""
        self.shape = tuple(inputs.shape[1:])
        return inputs


def build_borrowed(
    config: BorrowedConfig,
    build_norm: Callable[[int], nn.Module],
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> nn.Module:
    """Returns the library's network with `build_norm(channels)` wherever it normalizes.

    Raises:
        ImpossibleModelError: There is no such network, or its norm cannot be chosen.
    """

    # A plain function, and one that takes `device` and `dtype`: timm insists on both.
    def norm_layer(num_features: int, device: None = None, dtype: None = None) -> nn.Module:
        return build_norm(num_features)

    try:
        network = config.build_with(norm_layer, image_shape[2], num_classes)
    except UNFIT as error:
        raise _explain(config, error) from error
    if config.cifar_stem:
        _replace_stem(network, image_shape[2])
    return network


def probe_norms(
    config: BorrowedConfig, image_shape: tuple[int, int, int], num_classes: int
) -> list[tuple[int, int, int]]:
    """Returns the `(C, H, W)` that each norm of the network would see.

    Raises:
        ImpossibleModelError: There is no such network, its norm cannot be chosen, or it
            does not fit these images.
    """
    probes: list[NormProbe] = []

    def build_probe(num_features: int) -> nn.Module:
        probes.append(NormProbe(num_features))
        return probes[-1]

    network = build_borrowed(config, build_probe, image_shape, num_classes)
    _pass_image(config, network, image_shape, num_classes)
    problem = _find_foreign_norm(network, probes)
    if problem:
        reason = f"'{config.architecture}' {problem}; take another architecture, as resnet18"
        raise ImpossibleModelError(("architecture",), reason)
    return [_widen(probe.shape) for probe in probes if probe.shape is not None]


def _pass_image(
    config: BorrowedConfig,
    network: nn.Module,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> None:
    height, width, channels = image_shape
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, channels, height, width))
        if logits.shape != (1, num_classes):
            raise ValueError(f"it gives {tuple(logits.shape)}, not (1, {num_classes})")
    except UNFIT as error:
        first_line = str(error).partition("\n")[0]
        reason = (
            f"'{config.architecture}' does not fit images of {height}×{width} pixels and "
            f"{channels} channels ({first_line})"
        )
        raise ImpossibleModelError(("architecture",), reason) from error


def _find_foreign_norm(network: nn.Module, probes: Sequence[NormProbe]) -> str | None:
    """Returns what the network normalizes that our norms cannot; None where all is well."""
    if not probes:
        return "has no norm to put another in the place of"
    if not all(probe.sees_features for probe in probes):
        return "also normalizes what is no feature map (N, C, H, W), which the norms here are for"
    for module in network.modules():
        kind = type(module).__name__
        # Containers such as torchvision's Conv2dNormActivation are named after what they hold.
        is_container = any(True for _ in module.children())
        if "norm" in kind.lower() and not is_container and not isinstance(module, NormProbe):
            return f"keeps norms of its own ({kind}) beside the one that can be chosen"
    return None


def _explain(config: BorrowedConfig, error: Exception) -> ImpossibleModelError:
    first_line = str(error).partition("\n")[0]
    if "norm_layer" in first_line:
        reason = (
            f"the norm of '{config.architecture}' cannot be chosen, since it takes no "
            "norm_layer; take another architecture, as resnet18"
        )
    else:
        reason = f"'{config.architecture}' cannot be built ({first_line})"
    return ImpossibleModelError(("architecture",), reason)


def _replace_stem(network: nn.Module, in_channels: int) -> None:
    """Puts a 3×3 convolution of stride 1 in the place of a ResNet's first, and no max-pooling."""
    conv, pool = getattr(network, "conv1", None), getattr(network, "maxpool", None)
    if not isinstance(conv, nn.Conv2d) or pool is None:
        reason = "only ResNets have the convolution and max-pooling that it replaces; leave it out"
        raise ImpossibleModelError(("cifar_stem",), reason)
    bias = conv.bias is not None
    network.conv1 = nn.Conv2d(in_channels, conv.out_channels, 3, padding=1, bias=bias)
    network.maxpool = nn.Identity()


def _widen(shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels, *size = shape
    height, width = size or (1, 1)
    return channels, height, width
