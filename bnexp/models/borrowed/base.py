"""The config of networks from other libraries: chosen by name, with our norms put in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from bnexp.models.model import ModelConfig
from bnexp.models.plans import NormSite

if TYPE_CHECKING:
    from torch import nn

    NormLayer = Callable[[int], nn.Module]
    """Makes the norm for a number of channels."""


class BorrowedConfig(ModelConfig):
    """A network of another library; whether it exists is known only once it is built."""

    architecture: str = "resnet18"
    """The library's name for the network; it must take a `norm_layer`."""
    cifar_stem: bool = False
    """For ResNets on small images: a 3×3 convolution of stride 1 first and no max-pooling;
    ImageNet's stem would leave a quarter of height and width."""

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns nothing: the sites are known only once the network is built."""
        return []

    def find_norm_sites(
        self, image_shape: tuple[int, int, int], num_classes: int
    ) -> list[NormSite]:
        """Returns what each norm sees, by passing an empty image through the built network.

        Raises:
            ImpossibleModelError: The architecture does not exist, its norm cannot be chosen, or
                it does not fit these images.
        """
        from bnexp.models.borrowed.network import probe_norms

        shapes = probe_norms(self, image_shape, num_classes)
        return [NormSite(("norm",), self.norm, shape) for shape in shapes if self.norm.normalizes]

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.borrowed.network import build_borrowed

        return build_borrowed(self, self.norm.build, image_shape[2], num_classes)

    @abstractmethod
    def make(self, norm_layer: NormLayer, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the library's network, without trained weights.

        Raises:
            ImpossibleModelError: The library is not installed, or has no such architecture.
            TypeError: The architecture takes no `norm_layer`.
        """
