"""Datasets that are damaged, or not here yet."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.machine import Machine

PROBLEM = "a dataset in the data folder is damaged"
CAUSE = "a download was cut off, or somebody replaced a file: its SHA-256 is not the published one"
FIX = "delete the file, and fetch it again: bnexp data fetch NAME"


def check_machine(machine: Machine) -> Iterator[Finding]:
    """Yields which datasets are here with every byte verified, damaged or missing."""
    by_state: dict[str, list[str]] = {}
    for dataset in machine.datasets:
        if dataset.state == "damaged":
            yield Finding(f"{dataset.name} is damaged", dataset.detail)
        by_state.setdefault(dataset.state, []).append(dataset.name)
    if verified := by_state.get("verified"):
        yield Finding("datasets verified", ", ".join(verified), "fine", machine.data_dir)
    if unpacked := by_state.get("unpacked"):
        evidence = f"{', '.join(unpacked)} (verified when first used)"
        yield Finding("datasets unpacked", evidence, "fine", machine.data_dir)
    if missing := by_state.get("missing"):
        evidence = f"{', '.join(missing)}; bnexp data fetch NAME, or bnexp data import PATH"
        yield Finding("datasets not here yet", evidence, "note", machine.data_dir)
