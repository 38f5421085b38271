"""A momentum of 0, with which running statistics never move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "momentum 0: the running statistics never move"
CAUSE = (
    "a port from a framework in which 0 means something else, or 1 − momentum taken of 1: training "
    "looks right, and evaluation uses whatever the statistics were at first"
)
FIX = "give the weight of the new batch, e.g. 0.1; to keep loaded statistics, write frozen: true"


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the norms that would train without ever updating their statistics."""
    names = [
        name
        for name, norm in network.tracking_norms.items()
        if getattr(norm, "momentum", None) == 0
    ]
    if names:
        evidence = f"momentum 0 in {len(names)} of {len(network.tracking_norms)} norms"
        yield Finding("running statistics never move", evidence, "error", name_some(names))
