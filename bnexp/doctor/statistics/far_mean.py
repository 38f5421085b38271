"""Activations whose mean is far above their spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Moments, Network

PROBLEM = "activations whose mean is far above their spread, which costs digits"
CAUSE = (
    "normalizing subtracts the mean, and what was rounded before stays: on the CPU, PyTorch's "
    "kernel for channels-last memory sums in float32 and is good to about 1e-5 at mean/std 3 and "
    "1e-4 at 30, the one for contiguous memory sums in float64; bf16 rounds the values themselves, "
    "by 0.04 of their spread at 30 and by 0.3 at 200"
)
FIX = (
    "put the norm before the activation, lower the learning rate, train in fp32, or use "
    "train.memory_format: contiguous, which in fp32 is good to 1e-6 at 30 and 1e-5 at 300"
)

LARGEST_RATIO = 30.0
"""Of a channel's mean to its standard deviation."""
LARGEST_ERROR = 2e-5
"""Of the normalized values, relative, beyond that ratio; contiguous memory on the CPU stays below
up to a ratio of 200."""
LARGEST_ERROR_ANYWHERE = 0.03
"""At any ratio; bf16 rounds by 0.004, and exceeds it from a ratio of about 15."""
_CONSTANT = 1e-4
"""A channel whose spread is a smaller share of its layer's is constant, and no norm helps."""


def find_farthest(moments: Moments) -> tuple[float, float]:
    """Returns the largest mean over standard deviation of a channel, and the largest error.

    Channels that are constant do not count.
    """
    is_used = moments.std > _CONSTANT * moments.std.mean()
    if not is_used.any():
        return 0.0, 0.0
    ratios = moments.mean.abs()[is_used] / moments.std[is_used]
    return float(ratios.max()), float(moments.error[is_used].max())


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the norms with a mean so far above its spread that digits are lost."""
    found = {name: find_farthest(moments) for name, moments in network.inputs.items()}
    if not found:
        return
    far = [
        name
        for name, (ratio, error) in found.items()
        if (ratio >= LARGEST_RATIO and error >= LARGEST_ERROR) or error >= LARGEST_ERROR_ANYWHERE
    ]
    worst = max(far or found, key=lambda name: found[name])
    ratio, error = found[worst]
    evidence = (
        f"up to {ratio:.3g} standard deviations from 0, in {worst}, where normalizing is off by up "
        f"to {error:.1g} of the result"
    )
    if far:
        yield Finding("means are far above the spread", evidence, "warning", name_some(far))
    else:
        yield Finding("means that reach the norms", evidence, "fine")
