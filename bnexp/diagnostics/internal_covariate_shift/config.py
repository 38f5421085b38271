"""How much the update of the layers before a layer changes its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class InternalCovariateShiftConfig(DiagnosticConfig):
    """Compares each layer's gradient before and after the layers before it have been updated.

    Formula: with G the gradient of the batch's mean loss by a layer's own trained parameters, and
    G′ the same gradient, on the same batch, once all layers before it hold their values after
    the step, while the layer itself and those after it hold their values before it:
    `covariate_shift_l2/<layer>` = ‖G′ − G‖₂, `covariate_shift_relative/<layer>` = ‖G′ − G‖₂ / ‖G‖₂,
    and `covariate_shift_cosine/<layer>` = ⟨G, G′⟩ / (‖G‖₂ ‖G′‖₂). Without any shift they are
    0, 0 and 1. The first depends on the scale of the gradients, which a norm changes; the other two
    do not.

    Layers are those with weights, i.e. convolutions and linear layers, unless `layers` names
    others; they come before or after each other as an image passes them. The first has no layer
    before it and no shift. The update is the optimiser's, with momentum, decay and clipping. Both
    gradients see one step's draws (dropout, noise) and the same running statistics.

    Unit: nats per unit of the parameters; the other two are ratios.

    Cost: a forward pass, a step (a forward and backward pass), and at most one for each measured
    layer; four copies of the parameters.

    Source: Santurkar et al. 2018, "How Does Batch Normalization Help Optimization?", definition
    2.1; the paper shows ℓ2 and cosine.
    """

    quantities = (
        "covariate_shift_l2",
        "covariate_shift_relative",
        "covariate_shift_cosine",
    )

    name: Literal["internal_covariate_shift"] = "internal_covariate_shift"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the layers with weights."""
        from bnexp.diagnostics.internal_covariate_shift.probe import (
            InternalCovariateShift,
            has_weights,
        )
        from bnexp.diagnostics.layers import find_layers, find_trained

        applies = has_weights if self.layers is None else find_trained
        layers = find_layers(model, self.layers, applies)
        return InternalCovariateShift(self.find_steps(steps_per_epoch), layers)
