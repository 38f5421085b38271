"""Classification networks of timm with our norms in them; timm is an optional package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.models.borrowed.config import BorrowedConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.models.borrowed.config import NormLayer


class TimmConfig(BorrowedConfig):
    """A classification network of timm by name, untrained, with the norm put in.

    Needs `pip install 'bnexp[timm]'`. For example resnet26, resnext50_32x4d or resnet18.
    timm starts the last γ of each residual block at 0.
    """

    name: Literal["timm"] = "timm"

    def build_with(self, norm_layer: NormLayer, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the network as `timm.create_model` makes it.

        Raises:
            ImpossibleModelError: timm is not installed, or has no such architecture.
            TypeError: The architecture takes no `norm_layer`.
        """
        from bnexp.models.timm.network import construct_timm

        return construct_timm(self.architecture, norm_layer, in_channels, num_classes)
