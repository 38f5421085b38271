"""Classification networks of timm with our norms in them; timm is an optional package."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Literal

from bnexp.errors import did_you_mean
from bnexp.models.borrowed.base import LibraryConfig
from bnexp.models.model import ImpossibleModelError

if TYPE_CHECKING:
    from torch import nn


class TimmConfig(LibraryConfig):
    """A classification network of timm by name, untrained, with the norm put in.

    Needs `pip install 'bnexp[timm]'`. For example resnet26, resnext50_32x4d or efficientnet_b0.
    timm starts the last γ of each residual block at 0.
    """

    name: Literal["timm"] = "timm"

    def create(self, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the network as `timm.create_model` makes it.

        Raises:
            ImpossibleModelError: timm is not installed, or has no such architecture.
        """
        timm = _import_timm()
        if not timm.is_model(self.architecture):
            known = timm.list_models()
            hint = did_you_mean(self.architecture, known) or "; see timm.list_models()"
            reason = f"timm has no '{self.architecture}'{hint}"
            raise ImpossibleModelError(("architecture",), reason)
        network: nn.Module = timm.create_model(
            self.architecture, pretrained=False, in_chans=in_channels, num_classes=num_classes
        )
        return network


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        reason = f"timm cannot be imported ({error}): pip install 'bnexp[timm]'"
        raise ImpossibleModelError(("name",), reason) from error
    return timm  # type: ignore[no-any-return]
