"""A runs folder on a file system without locks."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "files in the runs folder cannot be locked"
CAUSE = (
    "some network file systems have no locks, or have them switched off: two processes could then "
    "train the same run and write over each other, so bnexp refuses to"
)
FIX = "keep runs on a local disk, or on NFS version 4: --runs-dir DIR"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields whether a lock in the runs folder keeps others out."""
    place = str(machine.runs_dir)
    if machine.lock_problem:
        yield Finding("locks do not work in the runs folder", machine.lock_problem, place=place)
    elif machine.write_problem is None:
        yield Finding("locks work", "one was held, and a second holder was kept out", "fine", place)
