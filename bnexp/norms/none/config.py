"""No normalization: the control of every comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from bnexp.norms.norm import Dimensions, NormConfig

if TYPE_CHECKING:
    from torch import nn


class NoNormConfig(NormConfig):
    """Passes its input on unchanged; the convolution before it keeps its bias.

    Formula: y = x.

    Training: the identity. Evaluation: the same.

    Shapes: any, kept. Parameters: none. Variance: none. Source: none; it is the control.
    """

    name: Literal["none"] = "none"

    normalizes: ClassVar[bool] = False

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the identity, which has no parameters."""
        from torch import nn

        return nn.Identity()
