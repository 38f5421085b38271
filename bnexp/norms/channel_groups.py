"""What norms share that measure groups of consecutive channels of each image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bnexp.errors import UsageError
from bnexp.norms.norm import AffineNormConfig

PAPERS_SIZES = {"num_groups": 32, "channels_per_group": 16}
"""The sizes of Wu & He 2018; without any in the config, it is the first."""


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
        return self.explain_misfit(shape, [shape])

    def explain_misfit(
        self, shape: tuple[int, int, int], shapes: Sequence[tuple[int, int, int]]
    ) -> str | None:
        """Returns why the groups do not fit one layer, and a size that fits all; None if they fit.

        Args:
            shape: `(C, H, W)` of the layer.
            shapes: Those of all layers that have this norm, the layer's own included.
        """
        key, size = self.find_size()
        if _fits(key, size, shape):
            return None
        if shape == (1, 1, 1):
            return (
                f"{self.name} norm would see one value per group (1 channel of 1×1 pixels); "
                "use more"
            )
        fix = _find_fix(key, size, shapes)
        if shape[0] % size:
            return f"{key}: {size} does not divide the {shape[0]} channels; {fix}"
        return f"{key}: {size} leaves one value per group (1 channel of 1×1 pixels); {fix}"

    def find_size(self) -> tuple[str, int]:
        """Returns the key that sets the groups' size, and its value."""
        if self.channels_per_group:
            return "channels_per_group", self.channels_per_group
        return "num_groups", self.num_groups or PAPERS_SIZES["num_groups"]


def _fits(key: str, size: int, shape: tuple[int, int, int]) -> bool:
    """Whether groups of that size divide the channels and have more than one value each."""
    channels, height, width = shape
    return channels % size == 0 and not (
        height * width == 1 and _count_groups(key, size, channels) == channels
    )


def _count_groups(key: str, size: int, channels: int) -> int:
    return size if key == "num_groups" else channels // size


def _find_fix(key: str, size: int, shapes: Sequence[tuple[int, int, int]]) -> str:
    """Returns the nearest sizes that fit all layers, those of proper groups if there are any."""
    wanted = {key: size, **{name: near for name, near in PAPERS_SIZES.items() if name != key}}
    channels = {shape[0] for shape in shapes}
    fitting = [
        (name, candidate)
        for name, near in wanted.items()
        for candidate in sorted(range(1, math.gcd(*channels) + 1), key=lambda one: abs(one - near))
        if all(_fits(name, candidate, shape) for shape in shapes)
    ]
    if not fitting:
        return "no size fits every layer, since one has 1 channel of 1×1 pixels"
    place = " every layer" if len(shapes) > 1 else ""
    proper = dict[str, int]()
    for name, candidate in fitting:
        if not _name_extreme(name, candidate, channels):
            proper.setdefault(name, candidate)
    if proper:
        first, *rest = (f"{name}: {candidate}" for name, candidate in proper.items())
        return f"{first} fits{place}" + "".join(f" (or {one})" for one in rest)
    name, candidate = fitting[0]
    return f"{name}: {candidate} fits{place} ({_name_extreme(name, candidate, channels)})"


def _name_extreme(key: str, size: int, channels: Iterable[int]) -> str:
    """Returns which other norm has such groups; empty if none has."""
    groups = {each: _count_groups(key, size, each) for each in channels}
    if all(number == 1 for number in groups.values()):
        return "one group, as in layer norm"
    if any(number == each for each, number in groups.items()):
        return "one channel per group, as in instance norm"
    return ""
