"""A PyTorch and a torchvision that were not made for each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "torch and torchvision do not belong together, or torchvision cannot be imported"
CAUSE = (
    "each torchvision is compiled against one torch (2.x goes with 0.(x + 15), both for the CPU or "
    "both for the same CUDA); another one fails at import or at its first operation"
)
FIX = "install both at once, so that pip pairs them: pip install --upgrade torch torchvision"

_OFFSET = 15
"""torchvision's minor version less that of torch 2."""


def find_mismatch(torch: str, torchvision: str) -> str | None:
    """Returns which version one of the two should have, or None if they belong together."""
    versions = re.match(r"2\.(\d+)", torch), re.match(r"0\.(\d+)", torchvision)
    if not all(versions):
        return None  # of a time whose pairs are not known yet
    minor, vision_minor = (int(found[1]) for found in versions if found)
    if minor + _OFFSET != vision_minor:
        return f"torch {torch} goes with torchvision 0.{minor + _OFFSET}, not with {torchvision}"
    builds = [version.partition("+")[2] for version in (torch, torchvision)]
    if all(builds) and builds[0] != builds[1]:
        return f"torch is built for {builds[0]}, torchvision for {builds[1]}"
    return None


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields whether the installed versions are a pair, and whether torchvision works."""
    torch = machine.torch.facts.get("version") or machine.versions.get("torch")
    vision = machine.torchvision.facts.get("version") or machine.versions.get("torchvision")
    mismatch = find_mismatch(torch, vision) if torch and vision else None
    problem = None if machine.torch.problem else machine.torchvision.problem
    if mismatch:
        evidence = f"{mismatch}; {problem}" if problem else mismatch
        yield Finding("torch and torchvision do not belong together", evidence)
    elif problem:
        yield Finding("torchvision does not work", problem)
    elif not machine.torch.problem:
        yield Finding("torchvision works and goes with PyTorch", f"{vision}", "fine")
