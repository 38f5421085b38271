"""How sharply the loss curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.diagnostics.config import DiagnosticConfig

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class HessianEigenvalueConfig(DiagnosticConfig):
    """Measures how sharply the loss of the batch curves in the direction in which it does so most.

    Gradient descent is stable at learning rates up to 2 divided by it (with momentum m, 2 + 2 m).
    Before a norm, weights twice as large have a quarter of the curvature: compare networks with
    and without a norm by its product with the learning rate rather than by itself.

    Formula: `hessian_eigenvalue/all` is the algebraically largest λ with H v = λ v, where H holds
    the second derivatives of the batch's mean loss by the parameters that are trained, in training
    mode, at one step's draws (dropout, noise). With `layers`, also for each of these the largest
    eigenvalue of its own block of H, `…/<layer>`. Lanczos iterations find it, from a random vector
    that depends on the number of the step alone; each takes one exact product with H.
    `hessian_residual/all` = ‖H v − λ v‖ of the unit vector v that was found: some eigenvalue lies
    that close to the figure. Kinks, e.g. of ReLU, have no second derivative and count as 0.

    Unit: nats per squared unit of the parameters.

    Cost: about two steps, and two more for each iteration, and as much again for each of the
    `layers`. Memory: that of two steps, and five copies of the parameters.

    Source: Lanczos 1950; Pearlmutter 1994, "Fast Exact Multiplication by the Hessian"; of networks
    with and without batch norm: Ghorbani et al. 2019, "An Investigation into Neural Net
    Optimization via Hessian Eigenvalue Density"; the bound on learning rates: Cohen et al. 2021,
    "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability".
    """

    quantities = (
        "hessian_eigenvalue",
        "hessian_residual",
    )

    name: Literal["hessian_eigenvalue"] = "hessian_eigenvalue"
    iterations: int = Field(default=20, ge=1)
    """The most products with the Hessian that a measurement takes."""
    tolerance: float = Field(default=1e-2, gt=0, lt=1)
    """It takes fewer if the residual is at most this share of the eigenvalue."""

    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of the whole network, and of the layers that are named."""
        from bnexp.diagnostics.hessian_eigenvalue.probe import HessianEigenvalue
        from bnexp.diagnostics.layers import find_layers, find_trained

        layers = find_layers(model, self.layers or (), find_trained)
        steps = self.find_steps(steps_per_epoch)
        return HessianEigenvalue(steps, layers, self.iterations, self.tolerance)
