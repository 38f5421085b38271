"""One file a family of networks, each with its own config class."""

from typing import TYPE_CHECKING

from bnexp.models.cnn import CnnConfig
from bnexp.models.model import ImpossibleModelError, ModelConfig, NormSite
from bnexp.parts import load_plugins, named_union

MODELS = (
    CnnConfig,
    *load_plugins("bnexp.models"),
)
"""Every model that a config can name; a new one adds its line here."""

if TYPE_CHECKING:
    AnyModel = ModelConfig
else:
    AnyModel = named_union(MODELS)

__all__ = ["MODELS", "AnyModel", "CnnConfig", "ImpossibleModelError", "ModelConfig", "NormSite"]
