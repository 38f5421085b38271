"""Too little memory to train in."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine
from bnexp.wording import format_bytes

PROBLEM = "too little memory is left"
CAUSE = (
    "other programs, or a container's limit: PyTorch takes about 0.5 GiB and a dataset of CIFAR's "
    "size as much, and each of several --jobs takes both"
)
FIX = "close other programs, raise the limit, or ask for less: fewer --jobs, a smaller batch"

NEEDED_BYTES = 2 * 2**30
"""One small network on CIFAR-10 trains in this, with room to spare."""


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields how much memory programs can still have."""
    sizes = [size for size in (machine.available_memory, machine.memory_limit) if size is not None]
    if not sizes:
        return
    evidence = format_bytes(min(sizes)) + " available"
    if machine.memory_limit is not None:
        evidence += f", the container's limit is {format_bytes(machine.memory_limit)}"
    if min(sizes) < NEEDED_BYTES:
        yield Finding("memory is short", evidence, "warning")
    else:
        yield Finding("memory", evidence, "fine")
