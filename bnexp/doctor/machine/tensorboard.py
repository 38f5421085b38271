"""A TensorBoard that does not start."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "TensorBoard cannot be imported with the packages that are installed"
CAUSE = (
    "it is missing, or an older one meets a newer setuptools (82 and later have no pkg_resources) "
    "or protobuf; runs train all the same, without event files"
)
FIX = "pip install --upgrade tensorboard"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields whether its plug-ins can be loaded and an event be written."""
    names = ("setuptools", "protobuf")
    beside = ", ".join(f"{name} {machine.versions.get(name) or 'missing'}" for name in names)
    probe = machine.tensorboard
    if probe.problem:
        yield Finding("TensorBoard does not work", f"{probe.problem} (with {beside})")
    else:
        yield Finding("TensorBoard works", f"{probe.facts['version']} with {beside}", "fine")
