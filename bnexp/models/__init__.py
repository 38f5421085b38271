"""The networks: one folder per family, with its config and its network."""

from typing import TYPE_CHECKING

from bnexp.models.model import ImpossibleModelError, ModelConfig, NormSite
from bnexp.parts import find_parts, named_union

MODELS = find_parts("bnexp.models", "bnexp.models", ModelConfig)  # type: ignore[type-abstract]
"""Every model that a config can name, plug-ins last."""

if TYPE_CHECKING:
    AnyModel = ModelConfig
else:
    AnyModel = named_union(MODELS)

__all__ = ["MODELS", "AnyModel", "ImpossibleModelError", "ModelConfig", "NormSite"]
