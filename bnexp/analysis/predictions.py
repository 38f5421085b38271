"""What the network of each cell said of the test images, read of one run per cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bnexp.analysis.cells import group_cells
from bnexp.analysis.diagnostics import choose_shown
from bnexp.analysis.results import Comparison, FirstRun
from bnexp.errors import BnexpError
from bnexp.runs.record import RunRecord

if TYPE_CHECKING:
    from bnexp.runs.measured.predictions import Predictions


def show_predictions(
    comparison: Comparison,
    records: Sequence[RunRecord],
    read: Callable[[RunRecord], Predictions | None],
) -> Comparison:
    """Returns the comparison with what the first run of each cell predicted, for its figures.

    `records` are those that it compares; `read` returns what a run predicted, or raises a
    BnexpError. Only runs of the cells that figures show are read.
    """
    shown = choose_shown(comparison)
    firsts = {
        cell.label: _read(cell.finished[0], read)
        for cell in group_cells(records)
        if cell.label in shown and cell.finished
    }
    cells = tuple(replace(cell, first_run=firsts.get(cell.cell)) for cell in comparison.cells)
    return replace(comparison, cells=cells)


def _read(run: RunRecord, read: Callable[[RunRecord], Predictions | None]) -> FirstRun:
    try:
        return FirstRun(run.seed, read(run))
    except BnexpError as error:
        return FirstRun(run.seed, None, str(error))
