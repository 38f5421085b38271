"""How large the gradient of each layer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class GradientNormConfig(DiagnosticConfig):
    """Measures the gradient of each layer: one that vanishes or explodes on its way back shows.

    Without `layers`, the layers are those whose weights mix their inputs: convolutions and linear
    layers. With it, they are all that match and have parameters that are trained, e.g. norms.

    Formula: `gradient_norm/<layer>` = ‖g‖₂ = √Σ gᵢ², over all values of the layer's own
    parameters that are trained, with g the gradient of the batch's mean loss, before clipping and
    without weight decay. `gradient_norm/all` is that of the whole network.

    Unit: nats per unit of the parameters.

    Cost: one pass over the gradients.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", section 4.2, looks at gradients layer by layer.
    """

    name: Literal["gradient_norm"] = "gradient_norm"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the layers that are trained."""
        from bnexp.diagnostics.gradient_norm.probe import GradientNorm
        from bnexp.diagnostics.layers import find_layers, find_trained, has_trained_weights

        applies = find_trained if self.layers else has_trained_weights
        layers = find_layers(model, self.layers, applies)
        return GradientNorm(self.find_steps(steps_per_epoch), layers)
