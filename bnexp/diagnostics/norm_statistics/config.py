"""What the norms have learned, and what they have gathered for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class NormStatisticsConfig(DiagnosticConfig):
    """Measures γ, β and the running statistics of each norm, after the update.

    Layers are modules with a `weight` of one value per channel, such as those of norms, or with
    running statistics. What a norm does not have is left out.

    Formula: over the values v of a layer's channels, `<quantity>_mean/<layer>` is their mean and
    `<quantity>_std/<layer>` is √(mean of (v − mean)²). The quantities are `gamma` (γ, the layer's
    `weight`), `beta` (β, its `bias`), `running_mean` and `running_var`.

    Unit: none for γ; that of the layer's output for β, that of its input for `running_mean`, and
    the square of that for `running_var`.

    Cost: one pass over these values, which are few.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2, for what they are.
    """

    quantities = (
        "gamma_mean",
        "gamma_std",
        "beta_mean",
        "beta_std",
        "running_mean_mean",
        "running_mean_std",
        "running_var_mean",
        "running_var_std",
    )

    name: Literal["norm_statistics"] = "norm_statistics"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the norms."""
        from bnexp.diagnostics.layers import find_layers, is_norm
        from bnexp.diagnostics.norm_statistics.probe import NormStatistics

        layers = find_layers(model, self.layers, is_norm)
        return NormStatistics(self.find_steps(steps_per_epoch), layers)
