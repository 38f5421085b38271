"""Measures the norms of gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from bnexp.diagnostics.layers import compute_norm, find_trained
from bnexp.diagnostics.probe import Probe, ProbedStep


class GradientNorm(Probe):
    """Yields the norm of each layer's gradient, and of all."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(steps)
        self._layers = layers

    def before_update(self, step: ProbedStep) -> None:
        """Looks at the gradients before they are clipped."""
        self._norms = {
            f"diag/gradient_norm/{name}": compute_norm(_read_gradients(layer))
            for name, layer in self._layers.items()
        }
        self._norms["diag/gradient_norm/all"] = compute_norm(_read_gradients(*step.model.modules()))

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the norms."""
        yield from self._norms.items()


def _read_gradients(*layers: nn.Module) -> list[Tensor]:
    parameters = (value for layer in layers for value in find_trained(layer))
    return [value.grad for value in parameters if value.grad is not None]
