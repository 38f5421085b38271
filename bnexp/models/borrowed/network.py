"""Puts our norms into networks that other code built, and finds out where those normalize."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnexp.models.borrowed.own import OwnNormsConfig
from bnexp.models.model import ImpossibleModelError
from bnexp.models.plans import NormSite
from bnexp.models.summary import IMAGES
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.norm import Dimensions, NormConfig


class Borrowed(Protocol):
    """What the config of a network that other code builds says of it."""

    @property
    def norm(self) -> NormConfig:
        """What replaces its batch norms."""

    @property
    def mistakes(self) -> tuple[type[Exception], ...]:
        """What is raised if the network does not fit its arguments or its input."""

    def make(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns it with the norms that its author gave it."""

    def refuse(self, reason: str, error: BaseException | None = None) -> ImpossibleModelError:
        """Returns an error that says what of the network cannot be, for a reason or an error."""


_FUSED = {"drop", "act"}
"""What timm's batch norms hold besides: they drop, then activate, what they have normalized."""


def replace_norms(config: Borrowed, network: nn.Module) -> None:
    """Puts the config's norm in the place of each batch norm, with the same initial γ and β.

    Parameters keep their names. A batch norm that also activates becomes a sequence `norm`,
    `drop`, `act`, which adds `norm` to its parameters' names.

    Raises:
        ImpossibleModelError: As for `find_batch_norms`.
    """
    norms = find_batch_norms(config, network)
    if isinstance(config.norm, OwnNormsConfig):
        return
    replaced = {norm: _replace(config, norm) for norm in norms.values()}
    for name, norm in norms.items():
        network.set_submodule(name, replaced[norm])
    if not config.norm.normalizes:
        # What has passed through no norm may still be needed, e.g. by a shortcut.
        for module in network.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]


def find_batch_norms(config: Borrowed, network: nn.Module) -> Mapping[str, _BatchNorm]:
    """Returns the batch norms by name; one that stands in several places has several names.

    Raises:
        ImpossibleModelError: The config asks for other norms, and there are none, or one has more
            layers in it than we know.
    """
    norms = {
        name: module
        for name, module in network.named_modules(remove_duplicate=False)
        if isinstance(module, _BatchNorm)
    }
    if isinstance(config.norm, OwnNormsConfig):
        return norms
    for norm in norms.values():
        if unknown := [name for name, _ in norm.named_children() if name not in _FUSED]:
            raise config.refuse(
                f"has a {type(norm).__name__} with a layer '{unknown[0]}' in it, which would be "
                "lost with it; set model.norm: own"
            )
    if not norms:
        _refuse_without_norms(config, network)
    return norms


def _refuse_without_norms(config: Borrowed, network: nn.Module) -> None:
    others = {
        type(module).__name__: None
        for module in network.modules()
        # Containers such as torchvision's Conv2dNormActivation are named after what they hold.
        if "norm" in type(module).__name__.lower() and not any(True for _ in module.children())
    }
    if others or config.norm.normalizes:
        there = f" (it has {', '.join(others)})" if others else ""
        raise config.refuse(
            f"has no batch norm to replace{there}; to train it as it is, set model.norm: "
            f"{'own' if others else 'none'}"
        )


def _replace(config: Borrowed, norm: _BatchNorm) -> nn.Module:
    parts = dict(norm.named_children())
    new = config.norm.build(norm.num_features, _find_dimensions(norm))
    with torch.no_grad():
        for name in ("weight", "bias"):
            value, initial = getattr(new, name, None), getattr(norm, name, None)
            if isinstance(value, Tensor) and initial is not None and value.shape == initial.shape:
                value.copy_(initial)
    return nn.Sequential(OrderedDict({"norm": new, **parts})) if parts else new


def _find_dimensions(norm: _BatchNorm) -> Dimensions:
    return 1 if isinstance(norm, nn.BatchNorm1d) else 2


def find_sites(
    config: Borrowed, image_shape: tuple[int, int, int], num_classes: int
) -> list[NormSite]:
    """Returns where the network has batch norms, and what each sees.

    If they stay, the sites are of batch norm with their own options.

    Raises:
        ImpossibleModelError: There is no such network, it does not fit these images, or as for
            `find_batch_norms`.
    """
    network = config.make(image_shape, num_classes)
    norms = find_batch_norms(config, network)
    shapes = _find_shapes(config, network, {*norms.values()}, image_shape, num_classes)
    if not config.norm.normalizes:
        return []
    return [
        _describe_site(config, norm, shapes[norm])
        for norm in dict.fromkeys(norms.values())
        if norm in shapes
    ]


def _find_shapes(
    config: Borrowed,
    network: nn.Module,
    norms: set[_BatchNorm],
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> dict[nn.Module, tuple[int, ...]]:
    """Returns the shape, without the batch, that reaches each norm that any image passes."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[norm] = tuple(inputs[0].shape[1:])

    for norm in norms:
        norm.register_forward_pre_hook(note)
    height, width, channels = image_shape
    images = torch.zeros(IMAGES, channels, height, width)
    fit = f"does not fit images of {width}×{height} pixels and {channels} channels"
    for is_training in (True, False):
        try:
            with torch.no_grad():
                logits = network.train(is_training)(images)
        except config.mistakes as error:
            raise config.refuse(fit, error) from error
        if not isinstance(logits, Tensor) or logits.shape != (IMAGES, num_classes):
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise config.refuse(
                f"turns {IMAGES} images into {given}{' in training' if is_training else ''}, not "
                f"into logits {(IMAGES, num_classes)}"
            )
    return shapes


def _describe_site(config: Borrowed, norm: _BatchNorm, shape: tuple[int, ...]) -> NormSite:
    dimensions = _find_dimensions(norm)
    if len(shape) != 2 * dimensions - 1:
        values = ", ".join(map(str, ("N", *shape)))
        raise config.refuse(f"normalizes values ({values}), which are no feature maps (N, C, H, W)")
    channels, height, width = (*shape, 1, 1)[:3]
    if not isinstance(config.norm, OwnNormsConfig):
        return NormSite(("norm",), config.norm, (channels, height, width), dimensions)
    own = BatchNormConfig.model_construct(
        eps=norm.eps,
        momentum=norm.momentum,
        affine=norm.affine,
        track_running_stats=norm.track_running_stats,
    )
    return NormSite((), own, (channels, height, width), dimensions)


def replace_stem(network: nn.Module, in_channels: int) -> None:
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
