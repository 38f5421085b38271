"""PyTorch cannot be imported."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "PyTorch cannot be imported"
CAUSE = (
    "it is not installed in the environment of this Python, or was built for another one: training "
    "needs it, while plan, ls, compare and tb work without it"
)
FIX = "install it into this environment: pip install --force-reinstall torch torchvision"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields whether a process of its own could import it, or how that ended."""
    if machine.torch.problem:
        yield Finding("PyTorch cannot be imported", machine.torch.problem)
    else:
        yield Finding("PyTorch works", machine.torch.facts["version"], "fine")
