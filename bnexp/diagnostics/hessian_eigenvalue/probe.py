"""Measures the largest eigenvalue of the Hessian."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from bnexp.diagnostics.hessian_eigenvalue.lanczos import Eigenvalue, find_largest_eigenvalue
from bnexp.diagnostics.layers import find_trained
from bnexp.diagnostics.objective import Objective, exploring
from bnexp.diagnostics.probe import Probe, ProbedStep
from bnexp.seeding import derive_seed


class HessianEigenvalue(Probe):
    """Yields the eigenvalue, and how exact it is."""

    def __init__(
        self, steps: range, layers: Mapping[str, nn.Module], iterations: int, tolerance: float
    ) -> None:
        super().__init__(steps)
        self._layers = layers
        self._iterations = iterations
        self._tolerance = tolerance

    def before_update(self, step: ProbedStep) -> None:
        """Finds the eigenvalue, from a random vector that depends on the step's number alone."""
        seed = derive_seed(0, "hessian_eigenvalue", step.number)
        with exploring(step) as objective:
            groups = {"all": objective.parameters}
            groups |= {name: find_trained(layer) for name, layer in self._layers.items()}
            self._found = {
                name: find_sharpness(objective, values, seed, self._iterations, self._tolerance)
                for name, values in groups.items()
            }

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, float]]:
        """Yields the two."""
        for name, found in self._found.items():
            yield f"diag/hessian_eigenvalue/{name}", found.value
            yield f"diag/hessian_residual/{name}", found.residual


def find_sharpness(
    objective: Objective,
    parameters: Sequence[Tensor],
    seed: int,
    iterations: int,
    tolerance: float,
) -> Eigenvalue:
    """Returns the largest eigenvalue of the Hessian of a loss with respect to some parameters.

    Source: Pearlmutter 1994, "Fast Exact Multiplication by the Hessian", for the products.
    """
    _, gradients = objective.differentiate(parameters=parameters, create_graph=True)
    gradient, generator = _flatten(gradients), torch.Generator().manual_seed(seed)

    def multiply(vector: Tensor) -> Tensor:
        if not gradient.requires_grad:  # The loss is linear.
            return torch.zeros_like(vector)
        products = torch.autograd.grad(
            gradient, parameters, vector, retain_graph=True, materialize_grads=True
        )
        return _flatten(products)

    start = torch.randn(len(gradient), generator=generator).to(gradient)
    return find_largest_eigenvalue(multiply, start.detach(), iterations, tolerance)


def _flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])
