"""One file a normalization layer, each with its own config class."""

from typing import TYPE_CHECKING

from bnexp.norms.batch_norm import BatchNormConfig
from bnexp.norms.no_norm import NoNormConfig
from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.parts import load_plugins, named_union

NORMS = (
    NoNormConfig,
    BatchNormConfig,
    *load_plugins("bnexp.norms"),
)
"""Every normalization layer that a config can name; a new one adds its line here."""

if TYPE_CHECKING:
    AnyNorm = NormConfig
else:
    AnyNorm = named_union(NORMS)

__all__ = ["NORMS", "AnyNorm", "BatchNormConfig", "Dimensions", "NoNormConfig", "NormConfig"]
