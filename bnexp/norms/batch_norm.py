"""Batch normalization, as PyTorch computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bnexp.norms.norm import NormConfig

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

    uses_batch_statistics: ClassVar[bool] = True

    def build(self, num_features: int) -> nn.Module:
        """Returns `torch.nn.BatchNorm2d`."""
        from torch import nn

        return nn.BatchNorm2d(
            num_features, eps=self.eps, momentum=self.momentum, affine=self.affine
        )
