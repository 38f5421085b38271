"""A normalization batch that is not the optimiser's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "gradients are accumulated: norms see a part of the optimiser's batch"
CAUSE = (
    "batch statistics are those of one forward pass; accumulating the gradients of several, or "
    "splitting a batch between devices, enlarges the optimiser's batch and not the norms'"
)
FIX = (
    "judge the norm by the normalization batch: make each forward pass as large as you need it, or "
    "use sync_batch between devices, batch_renorm, or group norm"
)


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields how many images share statistics, beside how many share an update."""
    batch_size = setup.config.data.batch_size
    sizes = {norm.statistics_batch(batch_size) for norm in setup.norms} - {None}
    for size in sorted(filter(None, sizes)):
        evidence = f"{count(size, 'image')} share statistics, {batch_size} an update"
        yield Finding("normalization batch", evidence, "fine" if size == batch_size else "note")


def check_network(network: Network) -> Iterator[Finding]:
    """Yields how many images share statistics, which is wrong if a forward pass has too few."""
    if not network.tracking_norms:
        return
    batch_size, forward_size = network.batch_size, network.forward_size or network.batch_size
    groups = (getattr(norm, "normalization_batch_size", None) for norm in network.norms.values())
    size = min(forward_size, *filter(None, groups), forward_size)
    evidence = f"{count(size, 'image')} share statistics, {batch_size} an update"
    if forward_size < batch_size:
        yield Finding("norms see a part of the optimiser's batch", evidence, "warning")
    else:
        yield Finding("normalization batch", evidence, "fine" if size == batch_size else "note")
