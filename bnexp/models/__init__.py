"""One file a family of networks, each with its own config class."""

from typing import TYPE_CHECKING

from bnexp.models.cnn.config import CnnConfig
from bnexp.models.initialization import InitializationConfig
from bnexp.models.mlp.config import MlpConfig
from bnexp.models.model import ImpossibleModelError, ModelConfig, NormSite
from bnexp.models.resnet.config import ResNetConfig
from bnexp.models.timm.config import TimmConfig
from bnexp.models.torchvision.config import TorchvisionConfig
from bnexp.models.vgg.config import VggConfig
from bnexp.parts import load_plugins, named_union

MODELS = (
    CnnConfig,
    MlpConfig,
    VggConfig,
    ResNetConfig,
    TorchvisionConfig,
    TimmConfig,
    *load_plugins("bnexp.models", ModelConfig),
)
"""Every model that a config can name; a new one adds its line here."""

if TYPE_CHECKING:
    AnyModel = ModelConfig
else:
    AnyModel = named_union(MODELS)

__all__ = [
    "MODELS",
    "AnyModel",
    "CnnConfig",
    "ImpossibleModelError",
    "InitializationConfig",
    "MlpConfig",
    "ModelConfig",
    "NormSite",
    "ResNetConfig",
    "TimmConfig",
    "TorchvisionConfig",
    "VggConfig",
]
