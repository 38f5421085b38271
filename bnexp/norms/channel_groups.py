"""What norms share that measure groups of consecutive channels of each image."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bnexp.errors import UsageError
from bnexp.norms.norm import AffineNormConfig

DEFAULT_GROUPS = 32


class ChannelGroupsConfig(AffineNormConfig):
    """The size of the groups, given as their number or as the channels of one."""

    num_groups: int | None = Field(default=None, ge=1)
    """Groups of channels; null is the paper's 32 unless `channels_per_group` is given."""
    channels_per_group: int | None = Field(default=None, ge=1)
    """Channels of a group, in place of `num_groups`; the paper's is 16."""

    @model_validator(mode="after")
    def _refuse_both_sizes(self) -> Self:
        if self.num_groups and self.channels_per_group:
            raise PydanticCustomError(
                "groups", "num_groups and channels_per_group say the same; give one of them"
            )
        return self

    def count_groups(self, num_features: int) -> int:
        """Returns how many groups that many features have.

        Raises:
            UsageError: The groups do not divide the features.
        """
        key, size = self.find_size()
        if num_features % size:
            raise UsageError(str(self.find_problem((num_features, 1, 1), batch_size=2)))
        return num_features // size if key == "channels_per_group" else size

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that the groups do not divide the channels, or that one has a single value."""
        channels, height, width = shape
        key, size = self.find_size()
        # One value per group: groups of 1×1 pixels of one channel each.
        lone = {"num_groups": channels, "channels_per_group": 1}[key] if height * width == 1 else 0
        divisors = (divisor for divisor in range(1, channels + 1) if channels % divisor == 0)
        possible = [divisor for divisor in divisors if divisor != lone]
        if size in possible:
            return None
        if not possible:
            return (
                f"{self.name} norm would see one value per group (1 channel of 1×1 pixels); "
                "use more"
            )
        nearest = min(possible, key=lambda divisor: abs(divisor - size))
        fix = f"the nearest possible {key} is {nearest}"
        if channels % size:
            return f"{key}: {size} does not divide the {channels} channels; {fix}"
        return f"{key}: {size} leaves one value per group (1 channel of 1×1 pixels); {fix}"

    def find_size(self) -> tuple[str, int]:
        """Returns the key that sets the groups' size, and its value."""
        if self.channels_per_group:
            return "channels_per_group", self.channels_per_group
        return "num_groups", self.num_groups or DEFAULT_GROUPS
