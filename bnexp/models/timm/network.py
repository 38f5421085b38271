"""Builds timm's networks; timm is imported only here, where one is built."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from torch import nn

from bnexp.errors import did_you_mean
from bnexp.models.model import ImpossibleModelError


def construct_timm(
    architecture: str, norm_layer: Callable[[int], nn.Module], in_channels: int, num_classes: int
) -> nn.Module:
    """Returns timm's network of that name, untrained.

    Raises:
        ImpossibleModelError: timm is not installed, or has no such architecture.
        TypeError: The architecture takes no `norm_layer`.
    """
    timm = _import_timm()
    if not timm.is_model(architecture):
        hint = did_you_mean(architecture, timm.list_models()) or "; see timm.list_models()"
        raise ImpossibleModelError(("architecture",), f"timm has no '{architecture}'{hint}")
    if any(
        "NormAct" in type(module).__name__ for module in timm.create_model(architecture).modules()
    ):
        reason = (
            f"the norms of '{architecture}' carry its activations, which would be lost with them; "
            "take another architecture, as resnet18"
        )
        raise ImpossibleModelError(("architecture",), reason)
    network: nn.Module = timm.create_model(
        architecture,
        pretrained=False,
        in_chans=in_channels,
        num_classes=num_classes,
        norm_layer=norm_layer,
    )
    return network


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        reason = f"timm cannot be imported ({error}): pip install 'bnexp[timm]'"
        raise ImpossibleModelError(("name",), reason) from error
    return timm  # type: ignore[no-any-return]
