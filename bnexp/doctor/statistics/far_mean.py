"""Activations whose mean is far above their spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Moments, Network

PROBLEM = "what reaches a norm has a mean far above its spread, which costs digits"
CAUSE = (
    "a variance taken as a difference of means loses digits: fp32 batch norm on the CPU in "
    "channels-last memory is good to about 1e-5 at mean/std 3 and 1e-4 at 30; in bf16 the spread "
    "itself is rounded away"
)
FIX = (
    "put the norm before the activation, lower the learning rate, or use train.memory_format: "
    "contiguous, whose kernel is good to 1e-7"
)

LARGEST_RATIO = 30.0
_CONSTANT = 1e-4
"""A channel whose spread is a smaller share of its layer's is constant, and no norm helps."""


def find_largest_ratio(moments: Moments) -> float:
    """Returns the largest mean over standard deviation of the channels that are not constant."""
    is_used = moments.std > _CONSTANT * moments.std.mean()
    if not is_used.any():
        return 0.0
    return float((moments.mean.abs()[is_used] / moments.std[is_used]).max())


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the norms with a channel whose mean is far above its spread."""
    ratios = {name: find_largest_ratio(moments) for name, moments in network.inputs.items()}
    if not ratios:
        return
    far = {name: ratio for name, ratio in ratios.items() if ratio >= LARGEST_RATIO}
    worst = max(ratios, key=lambda name: ratios[name])
    evidence = f"at most {ratios[worst]:.3g} standard deviations from 0, in {worst}"
    if far:
        yield Finding("means are far above the spread", evidence, "warning", name_some(far))
    else:
        yield Finding("means that reach the norms", evidence, "fine")
