"""Buffers that are not finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from bnexp.doctor.subjects.network import Network

PROBLEM = "running statistics are NaN or infinite"
CAUSE = (
    "an activation overflowed in a forward pass, e.g. in half precision: a gradient scaler skips "
    "the update of such a step, but the statistics have moved; training never reads them, so that "
    "only evaluation shows it"
)
FIX = (
    "go back to a checkpoint before it, or reset the statistics and recompute them over training "
    "images; then lower the learning rate, or train in fp32 or bf16"
)


def find_non_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Returns the names of the tensors of a state dict that hold NaN or infinity."""
    import torch

    return [
        name
        for name, value in state.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]


def has_finite_statistics(norm: Module) -> bool:
    """Returns whether a norm's own buffers are finite, so that one can ask how right they are."""
    return not find_non_finite(dict(norm.named_buffers(recurse=False)))


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the parameters and buffers that hold NaN or infinity."""
    state = network.model.state_dict()
    names = find_non_finite(state)
    if not names:
        yield Finding("parameters and buffers are finite", severity="fine")
        return
    evidence = f"{len(names)} of {len(state)} tensors hold NaN or infinity"
    place, weights = name_some(names), dict(network.model.named_parameters())
    if any(name in weights for name in names):
        cause = (
            "the training diverged: its loss overflowed, and the gradients took the weights along"
        )
        fix = "lower the learning rate, warm up, clip gradients, or use a norm"
        yield Finding("weights are not finite", evidence, "error", place, cause, fix)
    else:
        yield Finding("running statistics are not finite", evidence, "error", place)
