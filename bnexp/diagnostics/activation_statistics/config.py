"""How the outputs of each layer are spread, and how many of its units do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class ActivationStatisticsConfig(DiagnosticConfig):
    """Measures the outputs of each activation in the step: their mean and spread, and idle units.

    Without `layers`, the layers are the modules that apply an activation function. With it, they
    are all modules that match and give one tensor, e.g. `layers.*.norm` for what a norm passes on.
    A module that a network calls several times per pass counts as one layer with all its outputs.

    Formula: over all values y of the layer's output for the batch, before the update:
    `activation_mean/<layer>` is their mean, `activation_std/<layer>` √(mean of (y − mean)²).
    `activation_dead/<layer>`, of ReLU, ReLU6 and Hardswish alone, is the share of units that are
    exactly 0 for the whole batch; a unit is a channel at all its positions, or one feature of
    `(N, C)`. Such a unit passes no gradient on. `activation_saturated/<layer>`, of tanh and sigmoid
    alone, is the share of values at which the function's slope is below 5 % of its steepest:
    |y| > √0.95 for tanh, |2y − 1| > √0.95 for sigmoid.

    Unit: that of the activations for mean and standard deviation, which take the biased variance;
    shares are in [0, 1].

    Cost: two passes over each activation, three with dead or saturated shares.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", section 3, for means, spreads and saturation by layer; Lu et al. 2020, "Dying ReLU
    and Initialization", for dead units.
    """

    quantities = (
        "activation_mean",
        "activation_std",
        "activation_dead",
        "activation_saturated",
    )

    name: Literal["activation_statistics"] = "activation_statistics"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the activations, or of what `layers` names."""
        from bnexp.diagnostics.activation_statistics.probe import ActivationStatistics
        from bnexp.diagnostics.layers import find_layers, is_activation

        layers = find_layers(model, self.layers, lambda one: self.layers or is_activation(one))
        return ActivationStatistics(self.find_steps(steps_per_epoch), layers)
