"""The choices to leave a network's norms, or its first weights, as its author made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.models.initialization import INITIALIZATIONS, InitializationConfig
from bnexp.norms import NORMS
from bnexp.norms.norm import Dimensions, NormConfig
from bnexp.parts import named_union

if TYPE_CHECKING:
    from torch import nn


class OwnNormsConfig(NormConfig):
    """Leaves the norms of a network from a library or a file as its author made them.

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


class OwnInitializationConfig(InitializationConfig):
    """Leaves the weights of a network from a library or a file as its author draws them.

    They depend on the seed and on the order in which layers are made, not on their names.
    """

    name: Literal["own"] = "own"

    def compute_std(self, fan_in: int, fan_out: int) -> float:
        """Refuses, since nothing is drawn.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("the network draws its own weights")


if TYPE_CHECKING:
    AnyNormOrOwn = NormConfig
    AnyInitializationOrOwn = InitializationConfig
else:
    AnyNormOrOwn = named_union((*NORMS, OwnNormsConfig))
    AnyInitializationOrOwn = named_union((*INITIALIZATIONS, OwnInitializationConfig))
