"""Measures a layer's gradient before and after the layers before it have been updated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from bnexp.diagnostics.layers import ROOT, compute_norm, find_trained
from bnexp.diagnostics.objective import Objective, exploring
from bnexp.diagnostics.probe import Probe, ProbedStep


class InternalCovariateShift(Probe):
    """Yields how the gradient of each layer shifts if the layers before it are updated."""

    def __init__(self, steps: range, layers: Collection[str]) -> None:
        super().__init__(steps)
        self._layers = layers

    def before_update(self, step: ProbedStep) -> None:
        """Keeps the parameters as they were during the step."""
        trained = (value for value in step.model.parameters() if value.requires_grad)
        self._before = {value: value.detach().clone() for value in trained}

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Goes back to these, and updates one layer after the other."""
        before, self._before = self._before, {}
        after: dict[Tensor, Tensor] = {value: value.detach().clone() for value in before}
        with exploring(step) as objective:
            with torch.no_grad():
                for value, kept in before.items():
                    value.copy_(kept)
            layers = find_order(step.model, objective.compute_loss)
            updated = [after[value] for own in layers.values() for value in own]
            shifts = dict(measure_shifts(objective, layers, updated, self._layers))
        for name, shift in shifts.items():
            yield f"diag/covariate_shift_l2/{name}", shift.change
            yield f"diag/covariate_shift_relative/{name}", shift.relative
            yield f"diag/covariate_shift_cosine/{name}", shift.cosine


def has_weights(module: nn.Module) -> bool:
    """Returns whether a layer has trained weights of its own: tensors of two or more dimensions."""
    return any(value.dim() > 1 for value in find_trained(module))


def find_order(model: nn.Module, run: Callable[[], object]) -> dict[str, list[Tensor]]:
    """Returns the trained parameters of each layer, in the order in which `run` passes them.

    A parameter that two layers share belongs to the first.
    """
    layers: dict[str, list[Tensor]] = {}
    seen: set[Tensor] = set()

    def note(name: str, module: nn.Module, _: object) -> None:
        own = [value for value in find_trained(module) if value not in seen]
        seen.update(own)
        if own:
            layers[name] = own

    handles = [
        module.register_forward_pre_hook(partial(note, name or ROOT))
        for name, module in model.named_modules()
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return layers


@dataclass(frozen=True)
class Shift:
    """How a layer's gradient G became G′."""

    change: Tensor
    """‖G′ − G‖."""
    relative: Tensor
    """‖G′ − G‖ / ‖G‖."""
    cosine: Tensor
    """⟨G, G′⟩ / (‖G‖ ‖G′‖), in [−1, 1]."""

    @classmethod
    def of(cls, before: Sequence[Tensor], after: Sequence[Tensor]) -> Shift:
        """Returns what changed between two gradients."""
        pairs = list(zip(before, after, strict=True))
        change = compute_norm([second - first for first, second in pairs])
        product = torch.stack([(first * second).sum() for first, second in pairs]).sum()
        length = compute_norm(before)
        return cls(change, change / length, product / (length * compute_norm(after)))


def measure_shifts(
    objective: Objective,
    layers: Mapping[str, Sequence[Tensor]],
    updated: Sequence[Tensor],
    measured: Collection[str],
) -> Iterator[tuple[str, Shift]]:
    """Yields the shift of each of the `measured` layers but the first layer, which has none.

    `layers` holds the parameters of each layer in the order in which an image passes them, with
    their values before the update; `updated` are the values after it, layer by layer. What the
    measured layers' parameters hold is changed, layer by layer.
    """
    _, gradients = objective.differentiate(parameters=[v for own in layers.values() for v in own])
    after, old = iter(updated), iter(gradients)
    for index, (name, own) in enumerate(layers.items()):
        before = [next(old) for _ in own]
        if index and name in measured:
            _, changed = objective.differentiate(parameters=own)
            yield name, Shift.of(before, changed)
        with torch.no_grad():
            for value in own:
                value.copy_(next(after))
