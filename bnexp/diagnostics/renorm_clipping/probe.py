"""Counts how often batch renormalization's correction is clipped."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnexp.diagnostics.probe import Probe, ProbedStep
from bnexp.norms.batch_renorm.layer import BatchRenorm


class RenormClipping(Probe):
    """Yields the shares of each layer's r and d that the limits of the step clip."""

    def __init__(self, steps: range, layers: Mapping[str, BatchRenorm]) -> None:
        super().__init__(steps)
        self._layers = layers

    def hook(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Looks at what comes into each layer, before it moves its running statistics."""
        self._found: dict[str, Tensor] = {}
        for name, layer in self._layers.items():
            yield layer.register_forward_pre_hook(functools.partial(self._look, name))

    def _look(self, name: str, layer: BatchRenorm, inputs: tuple[Tensor, ...]) -> None:
        r_share, d_share = layer.measure_clipping(inputs[0].detach())
        self._found[f"diag/renorm_r_clipped/{name}"] = r_share
        self._found[f"diag/renorm_d_clipped/{name}"] = d_share

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the shares, and forgets them."""
        found, self._found = self._found, {}
        yield from found.items()
