"""What norms share if their statistics span the images of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from bnexp.norms.norm import AffineNormConfig, NormConfig

COLD_SHARE = 0.05
"""If more than this share of the initial running statistics is left at the end, bnexp warns."""
LARGEST_MOMENTUM = 0.5
"""Above this weight of the new batch, the momentum is taken for the other convention's."""


def compute_share_left(momentum: float | None, steps: int) -> float:
    """Returns the share of the initial running statistics that is left after so many steps.

    A momentum of None is the plain average, of which nothing is left after one step.
    """
    if momentum is None:
        return float(steps == 0)
    return (1 - momentum) ** steps


class BatchStatisticsConfig(AffineNormConfig):
    """Fields and checks of a norm that uses the batch in training and a running average after."""

    momentum: float | None = Field(default=0.1, gt=0, le=1)
    """Weight of the *new* batch in the running statistics, as in PyTorch (default 0.1).

    Papers and other frameworks often give the weight of the old value: their 0.9 is 0.1 here.
    null is the plain average over all batches so far.
    """

    @property
    def tracks_population(self) -> bool:
        """Whether training moves running statistics, with which evaluation normalizes."""
        return True

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns the batch size: all images of a batch share statistics."""
        return batch_size

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns that it does, each channel having a mean of its own."""
        return True

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel would have one value, which has no variance."""
        return describe_single_value(self, shape, batch_size, "batch")

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields cold running statistics and a momentum in the other convention."""
        if self.momentum is None:
            return
        left = compute_share_left(self.momentum, steps)
        if left > COLD_SHARE:
            reason = (
                f"after {steps} steps at BN momentum {self.momentum:g}, {100 * left:.0f} % of the "
                "running statistics are still their initial value; train longer or raise the "
                "momentum"
            )
            yield "momentum", reason
        if self.momentum > LARGEST_MOMENTUM:
            other = f" (for the other convention, write {1 - self.momentum:g})"
            reason = (
                f"momentum {self.momentum:g} is the weight of the new batch: the running "
                f"statistics see little but the last batch{other if self.momentum < 1 else ''}"
            )
            yield "momentum", reason


class GhostBatchesConfig(BatchStatisticsConfig):
    """What norms have in common that can normalize a batch in parts: ghost batches.

    Source: Hoffer et al. 2017, "Train longer, generalize better", algorithm 1.
    """

    normalization_batch_size: int | None = Field(default=None, ge=1)
    """Images that share statistics in training, a ghost batch; null is the whole batch."""

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns the images of a group: the batch if there are no ghost batches."""
        return min(batch_size, self.normalization_batch_size or batch_size)

    def find_equivalent(self, batch_size: int) -> NormConfig:
        """Returns the norm without ghost batches if a batch is one group."""
        is_whole = (self.normalization_batch_size or 0) >= batch_size
        return self.model_copy(update={"normalization_batch_size": None}) if is_whole else self

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel would have one value in some group."""
        group = self.statistics_batch(batch_size)
        if group is None:
            return None
        if group == batch_size:
            return super().find_problem(shape, batch_size)
        smallest = batch_size % group or group
        return describe_single_value(self, shape, smallest, "normalization_batch_size")

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields what makes the running statistics odd, and uneven or idle groups."""
        yield from super().find_warnings(batch_size, steps)
        yield from self.find_odd_groups(batch_size)

    def find_odd_groups(self, batch_size: int) -> Iterator[tuple[str, str]]:
        """Yields that groups hold one image, are larger than a batch, or do not divide it."""
        group = self.normalization_batch_size
        if group is None:
            return
        if group == 1 < batch_size:
            reason = (
                "groups of one image train as instance norm does, each image by itself, while "
                "evaluation uses the running statistics"
            )
            yield "normalization_batch_size", reason
        elif group > batch_size:
            reason = f"{group} has no effect, since a batch has {batch_size} images"
            yield "normalization_batch_size", reason
        elif batch_size % group:
            reason = (
                f"groups of {group} do not divide the batch of {batch_size}: the last group of "
                f"each batch has {batch_size % group}"
            )
            yield "normalization_batch_size", reason


def describe_single_value(
    norm: NormConfig, shape: tuple[int, int, int], images: int, noun: str
) -> str | None:
    """Returns that statistics over `images` images see one value per channel, if they do."""
    channels, height, width = shape
    if images * height * width > 1:
        return None
    return (
        f"{norm.name} norm would see one value per channel ({noun} of 1, {channels} channels of "
        f"1×1 pixels); use a larger {noun} or drop_last"
    )
