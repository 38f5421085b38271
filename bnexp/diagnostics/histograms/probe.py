"""Counts the values of layers in bins."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnexp.diagnostics.layers import find_layers, is_activation, is_norm
from bnexp.diagnostics.norm_statistics.probe import QUANTITIES
from bnexp.diagnostics.probe import Counts, Measured, Probe, ProbedStep


class Histograms(Probe):
    """Yields the ends and the histogram of each layer's outputs, and histograms of its norms."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module], bins: int) -> None:
        super().__init__(steps)
        self._layers = layers
        self._bins = bins

    def hook(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Counts what each layer gives out in its last call of the pass."""
        self._found: dict[str, Counts] = {}
        for name, layer in self._layers.items():
            yield layer.register_forward_hook(functools.partial(self._look, name))

    def _look(self, name: str, _layer: nn.Module, _: object, output: object) -> None:
        # At once: the next layer may work in place.
        if isinstance(output, Tensor) and output.is_floating_point():
            self._found[name] = count_values(output.detach(), self._bins)

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Measured]]:
        """Yields the histograms, and forgets them."""
        found, self._found = self._found, {}
        for name, counts in found.items():
            yield f"diag/output_lowest/{name}", counts.low
            yield f"diag/output_highest/{name}", counts.high
            yield f"diag/output/{name}", counts
        for name, layer in self._layers.items():
            for quantity, attribute in QUANTITIES.items() if is_norm(layer) else ():
                values = getattr(layer, attribute, None)
                if isinstance(values, Tensor):
                    yield f"diag/{quantity}/{name}", count_values(values.detach(), self._bins)


def choose_layers(model: nn.Module, patterns: Sequence[str] | None) -> dict[str, nn.Module]:
    """Returns the layers that match or, without patterns, the first and last of each kind."""
    if patterns is not None:
        return find_layers(model, patterns, lambda _: True)
    kinds = [find_layers(model, None, kind) for kind in (is_activation, is_norm)]
    return {name: kind[name] for kind in kinds for name in [*kind][:1] + [*kind][-1:]}


def count_values(values: Tensor, bins: int) -> Counts:
    """Returns how many finite values lie in each of `bins` equal parts between their ends.

    Nothing waits for the device.
    """
    flat = values.flatten().float()
    is_finite = flat.isfinite()
    low = torch.where(is_finite, flat, torch.inf).amin()
    high = torch.where(is_finite, flat, -torch.inf).amax()
    width = (high - low).clamp_min(torch.finfo(torch.float32).tiny)
    places = ((flat - low) / width * bins).nan_to_num(0, 0, 0).long().clamp(0, bins - 1)
    # What is not finite is counted in a bin of its own, which is left out.
    places = torch.where(is_finite, places, bins)
    return Counts(low, high, torch.bincount(places, minlength=bins + 1)[:bins])
