"""Builds torchvision's networks; torchvision is imported only here, where one is built."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from torch import nn

from bnexp.errors import did_you_mean
from bnexp.models.model import ImpossibleModelError
from bnexp.packages import describe_torchvision_mismatch


def construct_torchvision(
    architecture: str, norm_layer: Callable[[int], nn.Module], num_classes: int
) -> nn.Module:
    """Returns `torchvision.models`' network of that name, untrained.

    Raises:
        ImpossibleModelError: torchvision does not work here, or has no such architecture.
        TypeError: The architecture takes no `norm_layer`.
    """
    models = _import_models()
    known = models.list_models(module=models)
    if architecture not in known:
        reason = f"torchvision has no '{architecture}'"
        hint = did_you_mean(architecture, known) or f"; it has {', '.join(known)}"
        raise ImpossibleModelError(("architecture",), reason + hint)
    network: nn.Module = models.get_model(
        architecture, weights=None, num_classes=num_classes, norm_layer=norm_layer
    )
    return network


def _import_models() -> ModuleType:
    try:
        from torchvision import models
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        reason = describe_torchvision_mismatch(error)
        raise ImpossibleModelError(("name",), reason) from error
    return models  # type: ignore[no-any-return]
