"""Measures parameters and running statistics of norms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from bnexp.diagnostics.moments import compute_moments
from bnexp.diagnostics.probe import Probe, ProbedStep

QUANTITIES = {
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}
"""The attribute of a norm that holds each quantity."""


class NormStatistics(Probe):
    """Yields mean and standard deviation over the channels of what each norm holds."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(steps)
        self._layers = layers

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields what the norms hold now."""
        for name, layer in self._layers.items():
            for quantity, attribute in QUANTITIES.items():
                values = getattr(layer, attribute, None)
                if isinstance(values, Tensor):
                    mean, variance = compute_moments(values.detach())
                    yield f"diag/{quantity}_mean/{name}", mean
                    yield f"diag/{quantity}_std/{name}", variance.sqrt()
