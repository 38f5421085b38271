"""How the first weights are drawn, as config; `bnexp.training.initialization` draws them."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.parts import Part, named_union


class InitializationConfig(Part):
    """Chooses the standard deviation of the normal distribution that weights come from."""

    name: str
    scale: float = Field(default=1.0, gt=0)
    """Factor on the standard deviation of every weight, the output layer's too."""

    @abstractmethod
    def compute_std(self, fan_in: int, fan_out: int) -> float:
        """Returns the standard deviation before `scale`.

        `fan_in` is the number of inputs that one output sums up, `fan_out` the number of
        outputs that one input reaches (at stride 1).
        """


class HeConfig(InitializationConfig):
    """Keeps the variance from layer to layer under ReLU: std = √(2 / fan_in).

    Source: He et al. 2015, "Delving Deep into Rectifiers", equation 10.
    """

    name: Literal["he"] = "he"

    def compute_std(self, fan_in: int, fan_out: int) -> float:
        """Returns √(2 / fan_in)."""
        return math.sqrt(2.0 / fan_in)


class XavierConfig(InitializationConfig):
    """Balances the variance forward and backward: std = √(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep
    feedforward neural networks", equation 12, as a normal distribution.
    """

    name: Literal["xavier"] = "xavier"

    def compute_std(self, fan_in: int, fan_out: int) -> float:
        """Returns √(2 / (fan_in + fan_out))."""
        return math.sqrt(2.0 / (fan_in + fan_out))


class NormalConfig(InitializationConfig):
    """The same standard deviation in every layer, whatever its size."""

    name: Literal["normal"] = "normal"
    std: float = Field(default=0.01, gt=0)
    """Standard deviation of every weight; the default is AlexNet's (Krizhevsky et al. 2012)."""

    def compute_std(self, fan_in: int, fan_out: int) -> float:
        """Returns `std`."""
        return self.std


INITIALIZATIONS = (HeConfig, XavierConfig, NormalConfig)

if TYPE_CHECKING:
    AnyInitialization = InitializationConfig
else:
    AnyInitialization = named_union(INITIALIZATIONS)
