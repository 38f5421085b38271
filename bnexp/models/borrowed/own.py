"""The choice to leave a network's norms as whoever wrote it made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.norms import NORMS
from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.parts import named_union

if TYPE_CHECKING:
    from torch import nn


class OwnNormsConfig(NormConfig):
    """Leaves the norms of a `torchvision` or `timm` network as the library makes them.

    Formula: that of each norm.

    Training: as the network says.

    Evaluation: as the network says.

    Shapes: as the network says.

    Parameters: as the network says.

    Variance: as the network says.

    Source: the library, or the file, that the network comes from.
    """

    name: Literal["own"] = "own"

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Refuses, since the network makes these norms itself.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("the network makes its own norms")


if TYPE_CHECKING:
    AnyNormOrOwn = NormConfig
else:
    AnyNormOrOwn = named_union((*NORMS, OwnNormsConfig))
