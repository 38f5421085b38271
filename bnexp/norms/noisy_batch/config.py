"""Batch norm with noise after it: the shifting distributions of Santurkar's experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.norms.batch_statistics import GhostBatchesConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


class NoisyBatchNormConfig(GhostBatchesConfig):
    """Batch norm, then a random scale and shift that change at every step.

    An experiment rather than a method: it shows that shifting distributions do not hurt a
    network that batch norm helps.

    Formula: y = s · BN(x) + m. Each step draws for each channel a mean from
    U(−`mean_range`, `mean_range`) and a scale from U(1, `scale_max`), and around them for
    each image and channel m from U(mean ± `sample_mean_range`) and s from N(scale,
    `sample_scale_std`²).

    Training: as batch norm, with ghost batches too (`normalization_batch_size`), and with the
    noise, which does not depend on them. It is drawn from PyTorch's global generator, which
    the training seeds at every step, so that it repeats.

    Evaluation: batch norm without noise, so that what follows sees a scale smaller by the mean
    of s, 1.125 at the defaults.

    Shapes: (N, C, H, W) or (N, C), kept; m and s are the same for all pixels of a channel.

    Parameters: γ and β, 2·C; running mean and variance, 2·C that are not trained. The noise
    has none.

    Variance: as in batch norm.

    Source: Santurkar et al. 2018, "How Does Batch Normalization Help Optimization?", section
    2.1 and its appendix.
    """

    name: Literal["noisy_batch"] = "noisy_batch"
    mean_range: float = Field(default=0.5, ge=0)
    """Largest mean, of either sign, that a step draws for a channel; the paper's 0.5."""
    scale_max: float = Field(default=1.25, ge=1)
    """Largest scale that a step draws for a channel, the smallest being 1; the paper's 1.25."""
    sample_mean_range: float = Field(default=0.1, ge=0)
    """Largest distance of an image's shift from its channel's mean; the paper's 0.1."""
    sample_scale_std: float = Field(default=0.1, ge=0)
    """Standard deviation of the images' scales around their channel's; the paper's 0.1."""

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.noisy_batch.layer import NoisyBatchNorm

        return NoisyBatchNorm(num_features, **self.settings)
