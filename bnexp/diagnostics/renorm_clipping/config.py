"""How often batch renormalization's correction meets its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class RenormClippingConfig(DiagnosticConfig):
    """Measures how often batch renormalization's correction is clipped.

    Where it is not, the layer's output in training is what evaluation would give; where it is,
    training and evaluation differ. Networks without batch renormalization have no figures.

    Formula: `renorm_r_clipped/<layer>` is the share of r = σ / σ' outside of [1 / r_max, r_max],
    over the layer's channels and the groups of images that share statistics, each counted by its
    images; `renorm_d_clipped/<layer>` that of d = (μ − μ') / σ' outside of [−d_max, d_max]. μ and
    σ are those of the group, μ' and σ' the running ones before the step, and the limits those of
    the step. Up to `warmup_steps` the limits are 1 and 0, and both shares 1.

    Unit: a share from 0 to 1.

    Cost: one pass over the input of each such layer.

    Source: Ioffe 2017, "Batch Renormalization", algorithm 1, for the limits.
    """

    quantities = (
        "renorm_r_clipped",
        "renorm_d_clipped",
    )

    name: Literal["renorm_clipping"] = "renorm_clipping"

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the layers that renormalize batches."""
        from bnexp.diagnostics.layers import find_layers
        from bnexp.diagnostics.renorm_clipping.probe import RenormClipping
        from bnexp.norms.batch_renorm.layer import BatchRenorm

        found = find_layers(model, self.layers, lambda module: isinstance(module, BatchRenorm))
        layers = cast("dict[str, BatchRenorm]", found)
        return RenormClipping(self.find_steps(steps_per_epoch), layers)
