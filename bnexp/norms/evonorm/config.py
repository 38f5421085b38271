"""EvoNorm: layers that a search found, each a norm and an activation in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from bnexp.norms.batch_statistics import BatchStatisticsConfig
from bnexp.norms.channel_groups import ChannelGroupsConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


_OWNERS = {"num_groups": "S0", "channels_per_group": "S0", "momentum": "B0"}
"""The variant that each of these options is for."""


class EvoNormConfig(ChannelGroupsConfig, BatchStatisticsConfig):
    """Norm and activation in one, found by a search: EvoNorm-S0 and EvoNorm-B0.

    Formula: S0: y = γ · x · sigmoid(v · x) / √(σ² + eps) + β, with one σ² per image and group of
    channels, as in `group`. B0: y = γ · x / max(√(σ² + eps), v · x + √(s² + eps)) + β, with one σ²
    per channel and one s² per image and channel. v is learned, one per channel, from 1. Neither
    subtracts a mean.

    Both hold their own non-linearity. A network in the paper's form has no other:
    `model.activation: identity`. With `relu`, the negative half of what they put out is cut off.

    Training: S0: σ² of the group of the image over (C / groups, H, W). B0: σ² of the batch over
    (N, H, W), and s² of the channel of the image over (H, W), which is 0 in 1-d form. B0's running
    variance moves towards the batch's with weight `momentum`.

    Evaluation: S0: as in training. B0: σ² is the running variance.

    Shapes: (N, C, H, W) or (N, C), kept; in S0 the groups must divide C, and a group must have
    more than one value.

    Parameters: γ, β and v, 3·C; in B0 a running variance, C that are not trained.

    Variance: biased; B0's running variance averages the unbiased one, like batch norm's.

    Source: Liu et al. 2020, "Evolving Normalization-Activation Layers", table 1 and appendix A.
    """

    name: Literal["evonorm"] = "evonorm"
    variant: Literal["B0", "S0"] = "S0"
    """S0 looks at each image by itself, B0 at the batch too."""

    @model_validator(mode="after")
    def _refuse_options_of_the_other(self) -> Self:
        fields = type(self).model_fields
        for key, owner in _OWNERS.items():
            if owner != self.variant and getattr(self, key) != fields[key].default:
                raise PydanticCustomError(
                    "variant",
                    "{key} is an option of {owner}; remove it, or set variant: {owner}",
                    {"key": key, "owner": owner},
                )
        return self

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer of the variant, which serves both forms.

        Raises:
            UsageError: The groups do not divide the features.
        """
        from bnexp.norms.evonorm.layer import EvoNormB0, EvoNormS0

        if self.variant == "B0":
            return EvoNormB0(num_features, self.eps, self.affine, momentum=self.momentum)
        groups = self.count_groups(num_features)
        return EvoNormS0(num_features, self.eps, self.affine, groups=groups)

    @property
    def tracks_population(self) -> bool:
        """Whether it is B0, which has a running variance."""
        return self.variant == "B0"

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns the batch size for B0; None for S0."""
        return batch_size if self.variant == "B0" else None

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns that it does not: it divides only."""
        return False

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel of the batch, or a group of channels, would have one value."""
        kind = BatchStatisticsConfig if self.variant == "B0" else ChannelGroupsConfig
        return kind.find_problem(self, shape, batch_size)

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields what makes B0's running variance odd."""
        if self.variant == "B0":
            yield from super().find_warnings(batch_size, steps)
