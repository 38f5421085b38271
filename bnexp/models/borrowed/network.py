"""Builds networks of other libraries with our norms, and finds out where they normalize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import nn

from bnexp.models.model import ImpossibleModelError

NormLayer = Callable[[int], nn.Module]

UNFIT = (TypeError, ValueError, RuntimeError, AssertionError)
"""What libraries raise if a network does not fit its arguments or its input."""

_CHOOSE_ANOTHER = "choose another architecture, e.g. resnet18"


class Borrowed(Protocol):
    """What the config of a borrowed network says."""

    @property
    def architecture(self) -> str:
        """The library's name for the network."""

    @property
    def cifar_stem(self) -> bool:
        """Whether a ResNet gets a first convolution for small images."""

    def make(self, norm_layer: NormLayer, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the library's network."""


class NormProbe(nn.Module):
    """Takes the place of a norm and notes the shape that reaches it."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.shape: tuple[int, ...] | None = None
        """Without the batch; None until something has come through."""

    @property
    def sees_features(self) -> bool:
        """Whether what came through was `(N, C, H, W)` or `(N, C)` with the announced C."""
        shape = self.shape
        return shape is None or (len(shape) in (1, 3) and shape[0] == self.num_features)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns the input."""
        self.shape = tuple(inputs.shape[1:])
        return inputs


def build_borrowed(
    config: Borrowed, build_norm: NormLayer, in_channels: int, num_classes: int
) -> nn.Module:
    """Returns the library's network with `build_norm(channels)` wherever it normalizes.

    Raises:
        ImpossibleModelError: There is no such network, or its norm cannot be chosen.
    """

    # A plain function, and one that takes `device` and `dtype`: timm insists on both.
    def norm_layer(num_features: int, device: None = None, dtype: None = None) -> nn.Module:
        return build_norm(num_features)

    try:
        network = config.make(norm_layer, in_channels, num_classes)
    except UNFIT as error:
        if "norm_layer" not in _first_line(error):
            raise _refuse(config, f"cannot be built ({_first_line(error)})") from error
        reason = "takes no norm_layer, so its norm cannot be chosen"
        raise _refuse(config, f"{reason}; {_CHOOSE_ANOTHER}") from error
    if config.cifar_stem:
        _replace_stem(network, in_channels)
    return network


def probe_norms(
    config: Borrowed, image_shape: tuple[int, int, int], num_classes: int
) -> list[tuple[int, int, int]]:
    """Returns the `(C, H, W)` that each norm of the network would see.

    Raises:
        ImpossibleModelError: There is no such network, its norm cannot be chosen, or it
            does not fit these images.
    """
    height, width, channels = image_shape
    network = build_borrowed(config, NormProbe, channels, num_classes)
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, channels, height, width))
        if logits.shape != (1, num_classes):
            raise ValueError(f"it gives {tuple(logits.shape)}, not (1, {num_classes})")
    except UNFIT as error:
        fit = f"does not fit images of {width}×{height} pixels and {channels} channels"
        raise _refuse(config, f"{fit} ({_first_line(error)})") from error
    probes = [module for module in network.modules() if isinstance(module, NormProbe)]
    if problem := _find_foreign_norm(network, probes):
        raise _refuse(config, f"{problem}; {_CHOOSE_ANOTHER}")
    return [_widen(probe.shape) for probe in probes if probe.shape is not None]


def _refuse(config: Borrowed, reason: str) -> ImpossibleModelError:
    return ImpossibleModelError(("architecture",), f"'{config.architecture}' {reason}")


def _find_foreign_norm(network: nn.Module, probes: Sequence[NormProbe]) -> str | None:
    """Returns what the network normalizes that our norms cannot; None if all is well."""
    if not probes:
        return "has no norm to replace"
    if not all(probe.sees_features for probe in probes):
        return "also normalizes tensors that are not feature maps (N, C, H, W)"
    for module in network.modules():
        kind = type(module).__name__
        # Containers such as torchvision's Conv2dNormActivation are named after what they hold.
        is_container = any(True for _ in module.children())
        if "norm" in kind.lower() and not is_container and not isinstance(module, NormProbe):
            return f"keeps norms of its own ({kind}) in addition to the one you choose"
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _replace_stem(network: nn.Module, in_channels: int) -> None:
    """Replaces a ResNet's first convolution by a 3×3 one of stride 1, and its max-pooling by none.

    Raises:
        ImpossibleModelError: The network does not begin like a ResNet.
    """
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
