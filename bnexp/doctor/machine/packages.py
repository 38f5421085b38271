"""Packages that bnexp needs and that are not installed."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "a package that bnexp needs is not installed"
CAUSE = "the environment was not made by installing bnexp, or something was uninstalled since"
FIX = "install bnexp again, which brings what it needs: pip install --upgrade bnexp"

_OPTIONAL = ("setuptools", "protobuf", "torch", "torchvision")
"""The first two are TensorBoard's affair; the others have checks of their own."""


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields the versions, and what is missing."""
    installed = {name: version for name, version in machine.versions.items() if version}
    missing = [name for name in machine.versions if name not in installed]
    for name in missing:
        if name not in _OPTIONAL:
            yield Finding(f"{name} is not installed", "no package of that name is found")
    shown = [f"{name} {version}" for name, version in installed.items() if name not in _OPTIONAL]
    yield Finding("packages", ", ".join(shown), "fine")
