"""Batch norm whose statistics span the batches of all processes of a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_statistics import BatchStatisticsConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


class SyncBatchNormConfig(BatchStatisticsConfig):
    """Batch norm over the batches of all processes; with one process, batch norm itself.

    Formula: y = γ · (x − μ) / √(σ² + eps) + β.

    Training: μ and σ² are the mean and variance over (N, H, W) of all processes' batches
    together, and the running statistics move towards them in every process alike. If
    torch.distributed is not initialised, or has one process, this is batch norm, bit for bit.

    Evaluation: μ and σ² are the running statistics.

    Shapes: (N, C, H, W) or (N, C), kept; one μ and σ² per channel.

    Parameters: γ and β, 2·C; running mean and variance, 2·C that are not trained.

    Variance: as in batch norm.

    Source: Ioffe & Szegedy 2015, "Batch Normalization". Between processes on accelerators it is
    `torch.nn.SyncBatchNorm`; between processes on CPUs, which PyTorch's refuses, it computes the
    same.
    """

    name: Literal["sync_batch"] = "sync_batch"

    def find_equivalent(self, batch_size: int) -> BatchNormConfig:
        """Returns batch norm with the same options."""
        return BatchNormConfig(**self.settings)

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields that a training by bnexp, which is one process, has nothing to synchronise."""
        yield from super().find_warnings(batch_size, steps)
        yield "name", "bnexp trains a run in one process, in which sync_batch is batch, bit for bit"

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns `torch.nn.SyncBatchNorm`, extended to processes on CPUs; for both forms."""
        from bnexp.norms.sync_batch.layer import SyncBatchNorm

        return SyncBatchNorm(num_features, **self.settings)
