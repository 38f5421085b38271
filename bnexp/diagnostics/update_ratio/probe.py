"""Measures updates against the weights that they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from bnexp.diagnostics.layers import compute_norm, find_trained
from bnexp.diagnostics.probe import Probe, ProbedStep


class UpdateRatio(Probe):
    """Yields ‖w′ − w‖ / ‖w‖ of each layer, and of all."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(steps)
        self._layers = layers

    def before_update(self, step: ProbedStep) -> None:
        """Copies the parameters."""
        trained = [value for value in step.model.parameters() if value.requires_grad]
        self._before: dict[Tensor, Tensor] = {value: value.detach().clone() for value in trained}

    @torch.no_grad()
    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the ratios, and forgets the copies."""
        before, self._before = self._before, {}
        changes = {value: value - kept for value, kept in before.items()}
        layers = {name: find_trained(layer) for name, layer in self._layers.items()}
        layers["all"] = list(before)
        for name, values in layers.items():
            size = compute_norm(before[value] for value in values)
            change = compute_norm(changes[value] for value in values)
            yield f"diag/update_ratio/{name}", change / size
