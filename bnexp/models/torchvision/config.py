"""Classification networks of torchvision with our norms in them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from bnexp.errors import did_you_mean
from bnexp.models.borrowed.base import LibraryConfig
from bnexp.models.model import ImpossibleModelError

if TYPE_CHECKING:
    from torch import nn

_AUXILIARY = ("googlenet", "inception_v3")
"""Networks that by default give more than logits in training."""


class TorchvisionConfig(LibraryConfig):
    """A classification network of torchvision by name, untrained, with the norm put in.

    For example resnet18, densenet121, mobilenet_v2, efficientnet_b0, shufflenet_v2_x0_5, vgg11_bn
    or regnet_y_400mf. What has no batch norm needs `norm: none` (alexnet, vgg11, squeezenet1_0) or,
    if it has other norms, `norm: own` (convnext_tiny, swin_t, vit_b_16).
    """

    name: Literal["torchvision"] = "torchvision"

    def create(self, in_channels: int, num_classes: int) -> nn.Module:
        """Returns the network as `torchvision.models` makes it, for three input channels.

        Raises:
            ImpossibleModelError: torchvision does not work here, or has no such architecture.
        """
        models = _import_models()
        known = models.list_models(module=models)
        if self.architecture not in known:
            reason = f"torchvision has no '{self.architecture}'"
            hint = did_you_mean(self.architecture, known) or f"; it has {', '.join(known)}"
            raise ImpossibleModelError(("architecture",), reason + hint)
        plain = {"aux_logits": False, "init_weights": False}
        options = plain if self.architecture in _AUXILIARY else {}
        network: nn.Module = models.get_model(
            self.architecture, weights=None, num_classes=num_classes, **options
        )
        return network


def _import_models() -> ModuleType:
    try:
        from torchvision import models
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        first_line = str(error).partition("\n")[0]
        reason = (
            f"torchvision {_version('torchvision')} does not work with torch {_version('torch')} "
            f"({first_line}): reinstall the two together, e.g. with `pip install --upgrade "
            "--force-reinstall torch torchvision`, both from one package index"
        )
        raise ImpossibleModelError(("name",), reason) from error
    return models  # type: ignore[no-any-return]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
