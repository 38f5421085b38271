"""The config of networks that other code builds, with our norms put in."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from bnexp.models.borrowed.own import AnyInitializationOrOwn, AnyNormOrOwn
from bnexp.models.initialization import HeConfig
from bnexp.models.model import ImpossibleModelError, ModelConfig
from bnexp.models.plans import NormSite
from bnexp.norms.batch.config import BatchNormConfig

if TYPE_CHECKING:
    from torch import nn


class BorrowedConfig(ModelConfig):
    """A network that other code builds; where it normalizes is known only once it is built."""

    mistakes: ClassVar[tuple[type[Exception], ...]] = (
        TypeError,
        ValueError,
        RuntimeError,
        AssertionError,
    )
    """What is raised if the network does not fit its arguments or its input."""

    norm: AnyNormOrOwn = BatchNormConfig()
    """What replaces each batch norm of the network, and no other layer; `own` replaces none."""
    initialization: AnyInitializationOrOwn = HeConfig()
    """How the first weights of convolutions and linear layers are drawn; `own` leaves them as the
    network's author draws them."""

    def norm_sites(self, image_shape: tuple[int, int, int]) -> list[NormSite]:
        """Returns nothing: the sites are known only once the network is built."""
        return []

    def find_norm_sites(
        self, image_shape: tuple[int, int, int], num_classes: int
    ) -> list[NormSite]:
        """Returns what each batch norm sees, by passing empty images through the built network.

        Raises:
            ImpossibleModelError: There is no such network, it has no batch norm to replace, or it
                does not fit these images.
        """
        from bnexp.models.borrowed.network import find_sites

        return find_sites(self, image_shape, num_classes)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network, from images `(N, C, H, W)` to logits `(N, num_classes)`."""
        from bnexp.models.borrowed.network import replace_norms

        network = self.make(image_shape, num_classes)
        replace_norms(self, network)
        return network

    @abstractmethod
    def make(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the network with the norms that its author gave it, untrained.

        Raises:
            ImpossibleModelError: There is no such network.
        """

    @abstractmethod
    def refuse(self, reason: str, error: BaseException | None = None) -> ImpossibleModelError:
        """Returns an error that says what of the network cannot be, for a reason or an error."""


class LibraryConfig(BorrowedConfig):
    """A network that a library knows by name."""

    architecture: str = "resnet18"
    """The library's name for the network."""
    cifar_stem: bool = False
    """For ResNets on small images: a 3×3 convolution of stride 1 first and no max-pooling;
    ImageNet's stem would leave a quarter of height and width."""

    def make(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Returns the library's network, without trained weights.

        Raises:
            ImpossibleModelError: The library is not installed or has no such architecture, or the
                architecture cannot be built for such images.
        """
        from bnexp.models.borrowed.network import replace_stem

        channels = image_shape[2]
        try:
            network = self.create(channels, num_classes)
        except self.mistakes as error:
            raise self.refuse("cannot be built", error) from error
        if self.cifar_stem:
            replace_stem(network, channels)
        return network

    def refuse(self, reason: str, error: BaseException | None = None) -> ImpossibleModelError:
        """Returns an error about the architecture, with the first line of what raised it."""
        first_line = str(error or "").partition("\n")[0]
        detail = f" ({first_line})" if error else ""
        return ImpossibleModelError(("architecture",), f"'{self.architecture}' {reason}{detail}")

    @abstractmethod
    def create(self, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the network as the library makes it.

        Raises:
            ImpossibleModelError: The library is not installed, or has no such architecture.
        """
