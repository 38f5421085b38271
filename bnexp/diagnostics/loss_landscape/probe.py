"""Measures losses and gradients along the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnexp.diagnostics.layers import compute_norm, find_trained
from bnexp.diagnostics.objective import Objective, exploring
from bnexp.diagnostics.probe import Probe, ProbedStep


class LossLandscape(Probe):
    """Yields how loss and gradient change along the gradient."""

    def __init__(
        self,
        steps: range,
        layers: Mapping[str, nn.Module],
        multiples: Sequence[float],
        step_size: float | None,
    ) -> None:
        super().__init__(steps)
        self._layers = layers
        self._multiples = multiples
        self._step_size = step_size

    def before_update(self, step: ProbedStep) -> None:
        """Looks at points ahead of the parameters."""
        size = step.learning_rate if self._step_size is None else self._step_size
        step_sizes = [size * one for one in self._multiples]
        with exploring(step) as objective:
            groups = {"all": objective.parameters}
            groups |= {name: find_trained(layer) for name, layer in self._layers.items()}
            self._landscapes = {
                name: explore(objective, step_sizes, values) for name, values in groups.items()
            }

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the figures."""
        for name, landscape in self._landscapes.items():
            losses, changes = landscape.losses, landscape.gradient_changes
            yield f"diag/landscape_loss_lowest/{name}", losses.min()
            yield f"diag/landscape_loss_highest/{name}", losses.max()
            yield f"diag/landscape_loss_range/{name}", losses.max() - losses.min()
            yield f"diag/gradient_change_lowest/{name}", changes.min()
            yield f"diag/gradient_change_highest/{name}", changes.max()
            yield f"diag/effective_smoothness/{name}", landscape.smoothness


@dataclass(frozen=True)
class Landscape:
    """What was found at points θ − d·∇L(θ) for some d > 0; all tensors are on the device."""

    losses: Tensor
    """`(D,)`: the loss at each point."""
    gradient_changes: Tensor
    """`(D,)`: ‖∇L(θ − d·∇L(θ)) − ∇L(θ)‖."""
    distances: Tensor
    """`(D,)`: how far the point is from θ, as float32 holds the two."""

    @property
    def smoothness(self) -> Tensor:
        """The largest change of the gradient per distance moved; NaN if nothing was moved."""
        return (self.gradient_changes / self.distances).max()


def explore(
    objective: Objective, step_sizes: Sequence[float], parameters: Sequence[Tensor]
) -> Landscape:
    """Returns what lies along the gradient of some parameters, at these step sizes.

    Afterwards they are where they were.
    """
    _, gradients = objective.differentiate(parameters=parameters)
    start = [value.detach().clone() for value in parameters]

    @torch.no_grad()
    def move(size: float) -> None:
        for value, kept, gradient in zip(parameters, start, gradients, strict=True):
            value.copy_(kept - size * gradient)

    losses, changes, distances = [], [], []
    for size in step_sizes:
        move(size)
        moved = (value.detach() - kept for value, kept in zip(parameters, start, strict=True))
        distances.append(compute_norm(moved))
        loss, others = objective.differentiate(parameters=parameters)
        losses.append(loss)
        changes.append(compute_norm(b - a for a, b in zip(gradients, others, strict=True)))
    move(0)
    return Landscape(torch.stack(losses), torch.stack(changes), torch.stack(distances))
