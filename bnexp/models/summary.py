"""A network as a table: its layers in the order in which an image passes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from bnexp.models.plans import NormSite

IMAGES = 2
"""Images that pass through: a norm without running statistics refuses a single value."""


@dataclass(frozen=True)
class LayerSummary:
    """One layer, as an image passes it; a layer that is passed twice has two of these."""

    name: str
    """Its place in the network: `layers.0.conv`, as in the names of its parameters."""
    kind: str
    """The name of its class."""
    output_shape: tuple[int, ...]
    """Without the batch: `(C, H, W)` or `(features,)`."""
    parameters: int
    """Trained values of its own; 0 if an image passes it again."""
    flops: int
    """Floating-point operations for an image, two per multiply-add; 0 but for convolutions and
    linear layers."""
    is_norm: bool = False
    """Whether it normalizes."""
    has_bias: bool | None = None
    """Whether a convolution or linear layer learns a bias; None for other layers."""


@dataclass(frozen=True)
class NetworkSummary:
    """All layers of a network, and its totals."""

    layers: tuple[LayerSummary, ...]
    parameters: int
    """Values that can be trained, those of no layer in the table among them."""
    trained: int | None = None
    """How many of them a config trains, if that has been asked."""

    @property
    def norm_parameters(self) -> int:
        """Trained values of the norms."""
        return sum(layer.parameters for layer in self.layers if layer.is_norm)

    @property
    def flops(self) -> int:
        """Floating-point operations of an image's forward pass, two per multiply-add."""
        return sum(layer.flops for layer in self.layers)

    @property
    def biases_left_out(self) -> tuple[str, ...]:
        """The convolutions and linear layers without a bias."""
        return tuple(layer.name for layer in self.layers if layer.has_bias is False)


def summarize_network(
    network: nn.Module, sites: Iterable[NormSite], image_shape: tuple[int, int, int]
) -> NetworkSummary:
    """Returns what a network is made of, from passing images of zeros in evaluation mode.

    A norm counts as one layer, whatever it holds; norms are the kinds of layers that the configs
    at `sites` build. `image_shape` is height, width and channels.
    """
    norms = find_norm_modules(network, sites)
    inside = {part for norm in norms for part in norm.modules() if part is not norm}
    layers: list[LayerSummary] = []
    seen: set[nn.Module] = set()

    def note(name: str, module: nn.Module, _: object, output: torch.Tensor) -> None:
        layers.append(_summarize(name, module, output, module in norms, module in seen))
        seen.add(module)

    handles = [
        module.register_forward_hook(partial(note, name))
        for name, module in network.named_modules()
        if module in norms or (module not in inside and _is_layer(module))
    ]
    height, width, channels = image_shape
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(IMAGES, channels, height, width))
    finally:
        for handle in handles:
            handle.remove()
        network.train(was_training)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkSummary(tuple(layers), parameters)


def _is_layer(module: nn.Module) -> bool:
    if isinstance(module, nn.Identity | nn.Sequential):
        return False
    has_children = any(True for _ in module.children())
    return not has_children or any(True for _ in module.parameters(recurse=False))


def _summarize(
    name: str, module: nn.Module, output: torch.Tensor, is_norm: bool, was_seen: bool
) -> LayerSummary:
    own = () if was_seen else module.parameters(recurse=is_norm)
    weighted = module if isinstance(module, nn.Conv2d | nn.Linear) else None
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        output_shape=tuple(output.shape[1:]),
        parameters=sum(parameter.numel() for parameter in own),
        # Each output value sums up as many products as its filter has weights.
        flops=2 * weighted.weight[0].numel() * output[0].numel() if weighted else 0,
        is_norm=is_norm,
        has_bias=weighted.bias is not None if weighted else None,
    )


def find_norm_modules(network: nn.Module, sites: Iterable[NormSite]) -> set[nn.Module]:
    """Returns the network's norms: its modules of the kinds that the configs at `sites` build."""
    kinds = {type(site.norm.build(site.shape[0], site.dimensions)) for site in sites}
    return {module for module in network.modules() if type(module) in kinds}
