"""The normalization layers: one folder per norm, with its config and its layer."""

from typing import TYPE_CHECKING

from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.parts import find_late

if TYPE_CHECKING:
    NORMS: tuple[type[NormConfig], ...]
    """Every normalization layer that a config can name, plug-ins last."""
    AnyNorm = NormConfig
else:
    __getattr__ = find_late("bnexp.norms", "bnexp.norms", NormConfig, "NORMS", "AnyNorm")

__all__ = ["NORMS", "AnyNorm", "Dimensions", "NormConfig"]
