"""How much of each layer's gradient is signal, and how much noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class GradientSignalToNoiseConfig(DiagnosticConfig):
    """Compares a layer's mean gradient with how much it differs between parts of the batch.

    Formula: `gradient_signal_to_noise/<layer>` = S / V. The batch is cut into M equal microbatches
    with gradients g₁ … g_M of their mean losses, over all values of the layer's own parameters
    that are trained; ḡ is their mean. V = Σ ‖gᵢ − ḡ‖² / (M − 1) estimates the variance of a
    microbatch's gradient, summed over its values, and S = ‖ḡ‖² − V / M the squared norm of the
    mean gradient, both without bias; ‖ḡ‖² alone would count V / M of noise as signal. So the
    ratio can be below 0 if there is hardly any signal. `gradient_signal_to_noise/all` is that of
    the whole network. The ratio is that of a microbatch: twice as many images would double it.

    A microbatch is a forward pass of its own, with draws (dropout, noise) of its own. Batch norm
    normalizes it by itself, so this is the gradient of a training whose batches are M times as
    small; with ghost batches no larger than a microbatch it is that of the training itself.
    Images that do not fill a microbatch are left out; batches of fewer than four images are not
    measured.

    Unit: none, a ratio.

    Cost: about one step (a forward and backward pass of all images, in M parts), and three copies
    of the parameters.

    Source: Liu et al. 2020, "Understanding Why Neural Networks Generalize Well Through GSNR of
    Parameters", which divides parameter by parameter and by the variance of single images; the
    two estimates: McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", appendix A.
    """

    name: Literal["gradient_signal_to_noise"] = "gradient_signal_to_noise"
    microbatches: int = Field(default=8, ge=2)
    """Parts of the batch, M: more make the estimates more exact and each part smaller. If a part
    would have one image, there are fewer."""

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the layers that are trained."""
        from bnexp.diagnostics.gradient_signal_to_noise.probe import GradientSignalToNoise
        from bnexp.diagnostics.layers import find_layers, find_trained

        layers = find_layers(model, self.layers, find_trained)
        return GradientSignalToNoise(self.find_steps(steps_per_epoch), layers, self.microbatches)
