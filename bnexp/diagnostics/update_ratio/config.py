"""How far a step moves the weights of each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class UpdateRatioConfig(DiagnosticConfig):
    """Measures how far a step moves each layer, in relation to the size of its weights.

    Before a norm, this is the learning rate that counts: the norm undoes the scale of the weights,
    so that only the angle by which a step turns them matters, and weights that grow learn slower.
    The layers are those of `gradient_norm`.

    Formula: `update_ratio/<layer>` = ‖w′ − w‖₂ / ‖w‖₂, over all values w of the layer's own
    parameters that are trained; w′ are those after the step, with momentum, weight decay and
    clipping. `update_ratio/all` is that of the whole network. It is missing (null) while w is 0.

    Unit: none, a ratio; about 1e-3 is usual.

    Cost: a copy of the parameters and two passes over them.

    Source: van Laarhoven 2017, "L2 Regularization versus Batch and Weight Normalization", for
    weights before a norm; Karpathy, CS231n notes "Neural Networks 3", for the usual size.
    """

    name: Literal["update_ratio"] = "update_ratio"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the layers that are trained."""
        from bnexp.diagnostics.layers import find_layers, find_trained, has_trained_weights
        from bnexp.diagnostics.update_ratio.probe import UpdateRatio

        applies = find_trained if self.layers else has_trained_weights
        layers = find_layers(model, self.layers, applies)
        return UpdateRatio(self.find_steps(steps_per_epoch), layers)
