"""Group normalization: groups of channels of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.norms.channel_groups import ChannelGroupsConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


class GroupNormConfig(ChannelGroupsConfig):
    """Normalizes groups of consecutive channels of each image.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β, with one μ and σ² per image and group of
    channels. One group is layer norm, as many groups as channels instance norm.

    Training: μ and σ² of the group of the image over (C / groups, H, W). There are the paper's
    32 groups unless `num_groups` or `channels_per_group` says otherwise.

    Evaluation: as in training.

    Shapes: (N, C, H, W) or (N, C), kept; the groups must divide C, and a group must have more
    than one value.

    Parameters: γ and β, 2·C.

    Variance: biased.

    Source: Wu & He 2018, "Group Normalization", section 3.
    """

    name: Literal["group"] = "group"

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns a `torch.nn.GroupNorm`, which serves both forms.

        Raises:
            UsageError: The groups do not divide the features.
        """
        from bnexp.norms.group.layer import GroupNorm

        groups = self.count_groups(num_features)
        return GroupNorm(groups, num_features, eps=self.eps, affine=self.affine)

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns whether each channel is a group of its own."""
        return self.find_size() in (("channels_per_group", 1), ("num_groups", num_features))
