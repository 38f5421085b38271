"""Measures the outputs of layers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnexp.diagnostics.moments import compute_moments
from bnexp.diagnostics.probe import Probe, ProbedStep

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardswish)
"""Activations that are exactly 0, with slope 0, for all inputs below a bound."""

EDGE = math.sqrt(0.95)
"""At tanh outputs beyond this, its slope 1 − y² is below 5 % of the steepest."""

SATURATING: Mapping[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.Tanh: lambda values: values.abs() > EDGE,
    nn.Sigmoid: lambda values: (2 * values - 1).abs() > EDGE,  # σ(x) = (1 + tanh(x/2)) / 2
}
"""Activations that level off at both ends, each with which of its outputs lie there."""


class ActivationStatistics(Probe):
    """Yields mean, standard deviation, and dead or saturated share of each layer's outputs."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(steps)
        self._layers = layers

    def hook(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Looks at what each layer gives out."""
        self._found: dict[str, list[tuple[int, dict[str, Tensor]]]] = {}
        for name, layer in self._layers.items():
            yield layer.register_forward_hook(functools.partial(self._look, name))

    def _look(self, name: str, layer: nn.Module, _: object, output: object) -> None:
        # At once: the next layer may work in place.
        if isinstance(output, Tensor) and output.is_floating_point():
            found = measure_outputs(layer, output.detach())
            self._found.setdefault(name, []).append((output.numel(), found))

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the statistics, and forgets them."""
        found, self._found = self._found, {}
        for name, calls in found.items():
            for quantity, value in pool_calls(calls).items():
                yield f"diag/activation_{quantity}/{name}", value


def measure_outputs(layer: nn.Module, outputs: Tensor) -> dict[str, Tensor]:
    """Returns mean and standard deviation of outputs `(N, C, …)`, and a share of idle ones.

    The channels of three dimensions are the last, as in transformers: `(N, L, C)`.
    """
    mean, variance = compute_moments(outputs)
    found = {"mean": mean, "std": variance.sqrt()}
    if isinstance(layer, RECTIFIERS):
        channel = outputs.dim() - 1 if outputs.dim() == 3 else 1
        others = [axis for axis in range(outputs.dim()) if axis != channel]
        found["dead"] = (outputs.float().abs().sum(others) == 0).float().mean()
    for kind, is_saturated in SATURATING.items():
        if isinstance(layer, kind):
            found["saturated"] = is_saturated(outputs.float()).float().mean()
    return found


def pool_calls(calls: list[tuple[int, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Returns the statistics of the outputs of several calls together, each with its size."""
    total = sum(size for size, _ in calls)
    shares = [size / total for size, _ in calls]
    found = {
        quantity: torch.stack(
            [share * one[quantity] for share, (_, one) in zip(shares, calls, strict=True)]
        ).sum()
        for quantity in calls[0][1]
    }
    if len(calls) > 1:
        squares = [one["std"].square() + (one["mean"] - found["mean"]).square() for _, one in calls]
        weighted = [share * square for share, square in zip(shares, squares, strict=True)]
        found["std"] = torch.stack(weighted).sum().sqrt()
    return found
