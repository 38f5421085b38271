"""Frozen statistics that `.train()` sets moving again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "frozen batch norm that the next .train() unfreezes"
CAUSE = (
    "eval() on a layer is undone by train() on the network, which every epoch calls; without "
    "gradients γ and β stay, but the running statistics move"
)
FIX = (
    "call eval() on these layers after each train(), or use a layer that stays frozen: norm: "
    "{name: batch, frozen: true}"
)


def find_moved(
    before: Mapping[str, str], after: Mapping[str, str], frozen: Collection[str]
) -> list[str]:
    """Returns the buffers of the layers `frozen` whose digests differ across a step."""
    return [
        name
        for name, digest in before.items()
        if name.rpartition(".")[0] in frozen and after.get(name) != digest
    ]


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the layers that are meant to be frozen and whose buffers a training pass moves.

    Those are the ones that say so, and those in evaluation mode while their network trains.
    """
    from bnexp.diagnostics.probe import leaving_no_trace
    from bnexp.doctor.subjects.network import digest_buffers

    frozen = [
        name
        for name, norm in network.norms.items()
        if getattr(norm, "is_frozen", False) or (network.model.training and not norm.training)
    ]
    if not frozen:
        return
    before = digest_buffers(network.model)
    with leaving_no_trace(network.model):
        network.pass_in_training()
        after = digest_buffers(network.model)
    if moved := find_moved(before, after, frozen):
        evidence = f"after train() and one forward pass, {len(moved)} buffers have another SHA-256"
        yield Finding("frozen statistics move", evidence, "error", name_some(moved))
    else:
        evidence = f"{len(frozen)} layers keep their buffers, bit for bit, across a training pass"
        yield Finding("frozen statistics stay", evidence, "fine")
