"""The normalization layers: one folder per norm, with its config and its layer."""

from typing import TYPE_CHECKING

from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.parts import find_parts, named_union

NORMS = find_parts("bnexp.norms", "bnexp.norms", NormConfig)  # type: ignore[type-abstract]
"""Every normalization layer that a config can name, plug-ins last."""

if TYPE_CHECKING:
    AnyNorm = NormConfig
else:
    AnyNorm = named_union(NORMS)

__all__ = ["NORMS", "AnyNorm", "Dimensions", "NormConfig"]
