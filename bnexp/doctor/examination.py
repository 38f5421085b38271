"""What is examined, and how what is found is put in order."""

from __future__ import annotations

from pathlib import Path

from bnexp.doctor.finding import Finding, order
from bnexp.doctor.machine_facts import gather_machine
from bnexp.doctor.registry import examine


def examine_machine(runs_dir: Path) -> list[Finding]:
    """Returns what is found on this machine, for runs in that folder."""
    return order(examine("machine", gather_machine(runs_dir)))
