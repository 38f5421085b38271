"""What diagnostics measured of one quantity, and what every figure of it says of its cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bnexp.analysis.results import CellResult
from bnexp.reports.figures.sheet import space_label
from bnexp.runs.record import Series
from bnexp.wording import count

ByLayer = Mapping[str, Mapping[str, Mapping[int, Series]]]
"""Series by the name of the cell, the layer and the seed."""


@dataclass(frozen=True)
class Measured:
    """One quantity that diagnostics measured, in the cells that are shown."""

    name: str
    cells: tuple[CellResult, ...]
    by_layer: ByLayer
    layers: tuple[str, ...]
    """All layers of all cells, in the order of the networks."""
    left_out: int
    """Cells that are not shown."""

    @property
    def words(self) -> str:
        """The name as it is written in a title."""
        return self.name.replace("_", " ")


def has_diverged(cell: CellResult) -> bool:
    """Returns whether no run of the cell finished, so that those that diverged are shown."""
    return not cell.statuses.get("finished")


def say_seeds(sizes: Collection[int]) -> str:
    """Returns over what a mean is taken, in cells with so many seeds."""
    return count(min(sizes), "seed") if len({*sizes}) == 1 else "the seeds"


def say_missing(measured: Measured, labels: Mapping[str, str]) -> str:
    """Returns in which cells none of the layers was measured, by their labels; empty if none."""
    missing = [
        space_label(labels[cell.cell])
        for cell in measured.cells
        if not measured.by_layer[cell.cell].keys() & {*measured.layers}
    ]
    return f"Not measured: {'; '.join(missing)}." if missing else ""
