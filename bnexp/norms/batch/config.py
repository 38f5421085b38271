"""Batch normalization: PyTorch's, and its variants with ghost batches or frozen statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from bnexp.norms.batch_statistics import GhostBatchesConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


class BatchNormConfig(GhostBatchesConfig):
    """Normalizes each channel over batch and space.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β.

    Training: μ and σ² are the batch's mean and variance over (N, H, W). The running statistics
    move once per step, with weight `momentum`, towards the batch's.

    With `normalization_batch_size: g`, each g consecutive images (a ghost batch) are normalized by
    themselves, and what is left of the batch is a smaller group of its own. The running
    statistics still move once per step, towards the average over the groups of their means and
    unbiased variances, each group counted by its images. So `momentum` means the same horizon in
    steps at every g, and evaluation uses what training with such batches would have gathered,
    with less noise. One ghost batch as large as the batch is plain batch norm, bit for bit.

    With `frozen: true`, training uses the running statistics too and never changes them; γ and β
    still learn. Trained from scratch, the statistics stay at 0 and 1, which is warned about.

    Evaluation: μ and σ² are the running statistics. With `track_running_stats: false` there
    are none, and each batch is evaluated with its own: the score of an image then depends on its
    neighbours, which is warned about.

    Shapes: (N, C, H, W) or (N, C), kept; one μ and σ² per channel.

    Parameters: γ and β, 2·C; running mean and variance, 2·C that are not trained.

    Variance: biased for normalizing; the running variance averages the unbiased one,
    n / (n − 1) times that for n = N·H·W.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2; ghost batches:
    Hoffer et al. 2017, "Train longer, generalize better", algorithm 1. There the running
    statistics move once per group instead, which at 64 groups per step and momentum 0.1 forgets
    within a third of a step.
    """

    name: Literal["batch"] = "batch"
    track_running_stats: bool = True
    """Keep running statistics for evaluation; false evaluates with each batch's own."""
    frozen: bool = False
    """Use the running statistics in training as well and never change them."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> BatchNormConfig:
        if self.frozen and not self.track_running_stats:
            raise PydanticCustomError(
                "frozen", "frozen uses the running statistics; set track_running_stats: true"
            )
        if self.frozen and self.normalization_batch_size:
            raise PydanticCustomError(
                "frozen", "frozen uses no batch statistics; remove normalization_batch_size"
            )
        return self

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns `torch.nn.BatchNorm2d` or `BatchNorm1d`, or the layer with what they lack."""
        from torch import nn

        from bnexp.norms.batch.layer import BatchNorm

        if self.momentum is None or self.normalization_batch_size or self.frozen:
            return BatchNorm(num_features, **self.settings)
        kind = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
        return kind(num_features, self.eps, self.momentum, self.affine, self.track_running_stats)

    @property
    def tracks_population(self) -> bool:
        """Whether there are running statistics, and they are not frozen."""
        return self.track_running_stats and not self.frozen

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns the images of a group; None if the statistics are frozen."""
        return None if self.frozen else super().statistics_batch(batch_size)

    def subtracts_channel_means(self, num_features: int) -> bool:
        """Returns whether the mean is the batch's, not a frozen one."""
        return not self.frozen

    @property
    def evaluates_images_alone(self) -> bool:
        """Whether there are running statistics to evaluate with."""
        return self.track_running_stats

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields what makes the statistics odd: cold, absent, frozen, or of uneven groups."""
        if self.frozen:
            yield "frozen", "unless weights are loaded, the frozen statistics stay at 0 and 1"
        elif self.track_running_stats:
            yield from super().find_warnings(batch_size, steps)
        else:
            yield (
                "track_running_stats",
                "without running statistics, the score of an image depends on the others of "
                "its evaluation batch",
            )
            yield from self.find_odd_groups(batch_size)
