"""Whether a cell's runs diverged more often than the baseline's, or less."""

from __future__ import annotations

from collections.abc import Sequence

from bnexp.analysis.cells import Cell
from bnexp.analysis.results import Divergence
from bnexp.analysis.stats.intervals import holm
from bnexp.analysis.stats.shares import Count, fisher_exact


def compare_divergence(cells: Sequence[Cell], baseline: Cell) -> dict[str, Divergence]:
    """Returns Fisher's exact test for each cell that diverged, or whose baseline did.

    Cells where no run has ended are left out. Holm's family is all that are tested.
    """
    control = _count(baseline)
    counts = {cell.label: _count(cell) for cell in cells if cell is not baseline}
    tested = {
        label: (count, fisher_exact(count, control))
        for label, count in counts.items()
        if count.n and control.n and count.events + control.events
    }
    adjusted = holm([p for _, p in tested.values()])
    return {
        label: Divergence(count.events, count.n, control.events, control.n, p, p_holm)
        for (label, (count, p)), p_holm in zip(tested.items(), adjusted, strict=True)
    }


def _count(cell: Cell) -> Count:
    diverged = sum(run.state == "diverged" for run in cell.measured)
    return Count(diverged, len(cell.measured))
