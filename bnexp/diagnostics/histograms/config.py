"""How the outputs of a few layers, and what norms hold, are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class HistogramsConfig(DiagnosticConfig):
    """Counts the values of a few layers, for TensorBoard's pages Histograms and Distributions.

    Without `layers`, these are the first and the last activation and the first and the last norm:
    histograms are large, and few of them are looked at.

    Formula: of the finite outputs of a layer for the batch, before the update:
    `output_lowest/<layer>` and `output_highest/<layer>` are the ends, and the histogram
    `output/<layer>` counts them in `bins` equal parts between the ends. Of a norm, also histograms
    of what it holds after the update, over its channels: `gamma/<layer>`, `beta/<layer>`,
    `running_mean/<layer>` and `running_var/<layer>`.

    Unit: that of the outputs; histograms count values.

    Cost: about six passes over the outputs of each layer; in `metrics.jsonl`, one number per bin.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", figures 2 to 4, for such histograms of activations and gradients.
    """

    quantities = ("output_lowest", "output_highest")

    name: Literal["histograms"] = "histograms"
    bins: int = Field(default=30, ge=2, le=1000)
    """Parts between the lowest and the highest value."""

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of these layers."""
        from bnexp.diagnostics.histograms.probe import Histograms, choose_layers

        layers = choose_layers(model, self.layers)
        return Histograms(self.find_steps(steps_per_epoch), layers, self.bins)
