"""Measures running statistics against those of the batch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnexp.diagnostics.layers import find_running_mean
from bnexp.diagnostics.moments import compute_moments
from bnexp.diagnostics.probe import Probe, ProbedStep


class RunningVsBatch(Probe):
    """Yields the distances of each norm's running mean and variance from the batch's."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(steps)
        self._layers = layers

    def hook(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Looks at what comes into each norm, once it has moved its running statistics."""
        self._found: dict[str, Tensor] = {}
        for name, layer in self._layers.items():
            yield layer.register_forward_hook(functools.partial(self._look, name))

    def _look(self, name: str, layer: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        mean_gap, std_gap = measure_gaps(layer, inputs[0].detach())
        if mean_gap is not None:
            self._found[f"diag/running_mean_gap/{name}"] = mean_gap
        self._found[f"diag/running_std_gap/{name}"] = std_gap

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the gaps, and forgets them."""
        found, self._found = self._found, {}
        yield from found.items()


def measure_gaps(norm: nn.Module, inputs: Tensor) -> tuple[Tensor | None, Tensor]:
    """Returns the gap of means and that of standard deviations, for inputs `(N, C, …)`.

    That of means is None if the norm keeps no running mean.
    """
    axes = [axis for axis in range(inputs.dim()) if axis != 1]
    is_sample = inputs.numel() > inputs.shape[1]
    mean, variance = compute_moments(inputs, axes, correction=int(is_sample))
    eps = float(getattr(norm, "eps", 0.0))
    running_mean, running_var = find_running_mean(norm), norm.running_var
    assert isinstance(running_var, Tensor)
    log_ratio = ((running_var.detach() + eps) / (variance + eps)).log() / 2
    std_gap = log_ratio.square().mean().sqrt()
    if running_mean is None:
        return None, std_gap
    return ((running_mean.detach() - mean).square() / (variance + eps)).mean().sqrt(), std_gap
