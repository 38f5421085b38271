"""How far the running statistics of a norm are from those of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class RunningVsBatchConfig(DiagnosticConfig):
    """Measures how far evaluation, which takes running statistics, is from training.

    Both are of one step: the statistics of the batch that comes in, as a whole, and the running
    statistics that have just moved towards them. A gap that stays large means that the running
    statistics lag behind the weights or that batches differ: evaluation then sees another network.
    Some gap always remains, as a batch is a sample: with n independent values per channel the mean
    is off by about 1/√n, the standard deviation by 1/√(2n).

    Formula: for channel c, let m and v be mean and unbiased variance of the layer's input over
    (N, H, W), and μ and σ² the running statistics. `running_mean_gap/<layer>` is
    √(mean over c of (μ − m)² / (v + eps)); `running_std_gap/<layer>` is
    √(mean over c of (½ ln((σ² + eps) / (v + eps)))²). A norm that keeps no running mean, such as
    EvoNorm-B0, has the second alone.

    Unit: standard deviations of the batch for the mean; for the standard deviation the natural
    logarithm of a ratio: 0.1 is about 10 %.

    Cost: two passes over the input of each norm that has running statistics.

    Source: Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3, for the lag of running
    statistics; the two formulas are bnexp's own.
    """

    quantities = (
        "running_mean_gap",
        "running_std_gap",
    )

    name: Literal["running_vs_batch"] = "running_vs_batch"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the norms that have running statistics."""
        from bnexp.diagnostics.layers import find_layers, has_running_statistics
        from bnexp.diagnostics.running_vs_batch.probe import RunningVsBatch

        layers = find_layers(model, self.layers, has_running_statistics)
        return RunningVsBatch(self.find_steps(steps_per_epoch), layers)
