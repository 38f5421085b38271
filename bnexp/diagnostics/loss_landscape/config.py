"""How the loss and its gradient change along the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class LossLandscapeConfig(DiagnosticConfig):
    """Looks ahead along the gradient: how far its promise holds as the parameters move.

    If a unit of ReLU or max pooling switches between two points, the gradient jumps, so the
    effective smoothness of such networks grows as the distance shrinks. Compare it at equal
    distances, which `step_size` fixes, and not at the end of a schedule that goes to 0.

    Formula: with L the mean loss of the batch in training mode, θ the parameters that are trained,
    g = ∇L(θ), and points θₖ = θ − mₖ·η·g for the `multiples` mₖ of a step size η:
    `landscape_loss_lowest/all` and `landscape_loss_highest/all` are the ends of L(θₖ), and
    `landscape_loss_range/all` is their difference; `gradient_change_lowest/all` and
    `gradient_change_highest/all` are the ends of ‖∇L(θₖ) − g‖, which the paper calls gradient
    predictiveness (small: predictable); `effective_smoothness/all` = max ‖∇L(θₖ) − g‖ / ‖θₖ − θ‖,
    the effective β-smoothness. With `layers`, the same for each of these, `…/<layer>`, with its
    own parameters alone as θ. Only the gradient is followed, without momentum and decay. All
    points see one step's draws (dropout, noise) and the same running statistics.

    Unit: nats for losses, nats per unit of the parameters for gradients, nats per squared unit for
    the smoothness.

    Cost: a forward and backward pass, and one for each multiple, and as much again for each of the
    `layers`; three copies of the parameters.

    Source: Santurkar et al. 2018, "How Does Batch Normalization Help Optimization?", section 3.1
    and figure 4.
    """

    quantities = (
        "landscape_loss_lowest",
        "landscape_loss_highest",
        "landscape_loss_range",
        "gradient_change_lowest",
        "gradient_change_highest",
        "effective_smoothness",
    )

    name: Literal["loss_landscape"] = "loss_landscape"
    multiples: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    """Where along the gradient to look, in step sizes."""
    step_size: float | None = Field(default=None, gt=0)
    """What the multiples multiply; null is the step's learning rate. A number looks equally far
    along the gradients of networks that train at different learning rates."""

    @field_validator("multiples")
    @classmethod
    def _check_multiples(cls, multiples: tuple[float, ...]) -> tuple[float, ...]:
        if not multiples or min(multiples) <= 0:
            raise ValueError("must be numbers above 0, e.g. [0.5, 1, 2, 4]")
        return multiples

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the whole network, and of the layers that are named."""
        from bnexp.diagnostics.layers import find_layers, find_trained
        from bnexp.diagnostics.loss_landscape.probe import LossLandscape

        layers = find_layers(model, self.layers or (), find_trained)
        steps = self.find_steps(steps_per_epoch)
        return LossLandscape(steps, layers, self.multiples, self.step_size)
