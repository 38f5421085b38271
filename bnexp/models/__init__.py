"""The networks: one folder per family, with its config and its network."""

from typing import TYPE_CHECKING

from bnexp.models.model import ImpossibleModelError, ModelConfig
from bnexp.models.plans import NormSite
from bnexp.parts import find_late

if TYPE_CHECKING:
    MODELS: tuple[type[ModelConfig], ...]
    """Every model that a config can name, plug-ins last."""
    AnyModel = ModelConfig
else:
    __getattr__ = find_late("bnexp.models", "bnexp.models", ModelConfig, "MODELS", "AnyModel")

__all__ = ["MODELS", "AnyModel", "ImpossibleModelError", "ModelConfig", "NormSite"]
