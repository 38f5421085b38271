"""Classification networks of torchvision with our norms in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.models.borrowed.config import BorrowedConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.models.borrowed.config import NormLayer


class TorchvisionConfig(BorrowedConfig):
    """A classification network of torchvision by name, untrained, with the norm put in.

    For example resnet18, resnet50, wide_resnet50_2, resnext50_32x4d, mobilenet_v2,
    efficientnet_b0 or regnet_y_400mf. Their convolutions are made without biases, and stay
    so with `norm: none`.
    """

    name: Literal["torchvision"] = "torchvision"

    def build_with(self, norm_layer: NormLayer, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the network as `torchvision.models` makes it.

        Raises:
            ImpossibleModelError: torchvision does not work here, or has no such architecture.
            TypeError: The architecture takes no `norm_layer`.
        """
        from bnexp.models.torchvision.network import construct_torchvision

        return construct_torchvision(self.architecture, norm_layer, num_classes)
