"""No normalization: the control of every comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from bnexp.norms.norm import Dimensions, NormConfig

if TYPE_CHECKING:
    from torch import nn


class NoNormConfig(NormConfig):
    """Passes its input on unchanged: the control of every comparison.

    Formula: y = x. The convolution before it keeps its bias.

    Training: the identity.

    Evaluation: as in training.

    Shapes: any, kept.

    Parameters: none.

    Variance: none.

    Source: none needed.
    """

    name: Literal["none"] = "none"

    normalizes: ClassVar[bool] = False

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the identity, which has no parameters."""
        from torch import nn

        return nn.Identity()
