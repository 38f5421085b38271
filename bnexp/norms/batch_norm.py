"""Batch normalization, as PyTorch computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.norm import Dimensions, NormConfig

if TYPE_CHECKING:
    from torch import nn


class BatchNormConfig(NormConfig):
    """Normalizes each channel over batch and space.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β, with one γ and β a channel.

    Training: μ and σ² are the batch's mean and biased variance over (N, H, W); the
    running mean moves towards μ and the running variance towards the *unbiased*
    variance, both with weight `momentum`. Evaluation: the running values.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2.
    """

    name: Literal["batch"] = "batch"
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance; the default is PyTorch's."""
    momentum: float = Field(default=0.1, gt=0, le=1)
    """Weight of the *new* batch in the running statistics, as in PyTorch (default 0.1).

    Papers and other frameworks often give the weight of the old value: their 0.9 is 0.1 here.
    """
    affine: bool = True
    """Learn γ and β, one of each a channel, from 1 and 0."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns `torch.nn.BatchNorm2d` or `torch.nn.BatchNorm1d`."""
        from torch import nn

        kind = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
        return kind(num_features, eps=self.eps, momentum=self.momentum, affine=self.affine)

    def statistics_batch(self, batch_size: int) -> int | None:
        """Returns the batch size: all images of a batch share statistics."""
        return batch_size

    def find_problem(self, shape: tuple[int, int, int], batch_size: int) -> str | None:
        """Returns that a channel would have one value, which has no variance."""
        channels, height, width = shape
        if batch_size * height * width > 1:
            return None
        return (
            f"batch norm would see one value a channel (batch of 1, {channels} channels of 1×1 "
            "pixels); use a larger batch or drop_last"
        )
