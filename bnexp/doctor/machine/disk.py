"""A runs folder without room, or that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine
from bnexp.wording import format_bytes

PROBLEM = "the runs folder cannot be written, or its disk is almost full"
CAUSE = (
    "a run keeps its last two checkpoints, each about three times its parameters, and its rows; a "
    "run that finds the disk full fails, and its last checkpoint stays sound"
)
FIX = "free some space (bnexp rm deletes runs), or keep runs elsewhere: --runs-dir DIR"

SCARCE_BYTES = 2**30
"""Warned about; a sweep of small networks still fits."""
FULL_BYTES = 50 * 2**20
"""Too little for one run."""


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields how much room there is for runs."""
    place = str(machine.runs_dir)
    if machine.write_problem:
        yield Finding("the runs folder cannot be written", machine.write_problem, place=place)
    if machine.free_disk is None:
        return
    evidence = f"{format_bytes(machine.free_disk)} free for runs"
    if machine.free_disk < FULL_BYTES:
        yield Finding("the disk is full", evidence, "error", place)
    elif machine.free_disk < SCARCE_BYTES:
        yield Finding("the disk is almost full", evidence, "warning", place)
    else:
        yield Finding("disk", evidence, "fine", place)
