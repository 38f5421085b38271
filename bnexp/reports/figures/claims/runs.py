"""The runs of a claim that cannot be tested yet: what each of them measured, a row per cell."""

from __future__ import annotations

from bnexp.analysis.results import CellResult
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.effects import Effect, Effects, draw_effects
from bnexp.reports.figures.sheet import Chart, space_label
from bnexp.reports.figures.style import LEAST_FOR_BAND, MOST_WITH_BANDS, describe_bands
from bnexp.reports.words.formatting import find_interval, metric_format, with_unit


def build_runs(claimed: Claimed) -> Chart | None:
    """Returns the figure, or None if no run finished with the metric, or with too many cells."""
    cells = [one.found for one in claimed.cells]
    rows = tuple(_build_row(claimed, cell) for cell in cells if cell.values)
    if not rows or len(rows) > MOST_WITH_BANDS:
        return None
    shown, claim = metric_format(claimed.whole), claimed.result.claim
    unit = shown.unit if len(claim.tags) == 1 else shown.difference_unit
    effects = Effects(rows, None, with_unit(claim.metric, unit), has_zero=False)
    return Chart(
        "Evidence: runs",
        claimed.title,
        _caption(claimed, cells),
        "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in rows),
        lambda is_wide: draw_effects(effects, is_wide=is_wide),
    )


def _build_row(claimed: Claimed, cell: CellResult) -> Effect:
    shown, mean = metric_format(claimed.whole), cell.mean or 0.0
    write = shown.value if len(claimed.result.claim.tags) == 1 else shown.difference
    interval = find_interval(cell) if cell.n >= LEAST_FOR_BAND else None
    return Effect(
        mean * shown.scale,
        [bound * shown.scale for bound in interval or ()],
        [value * shown.scale for value in cell.values.values()],
        cell.n,
        is_paired=True,
        label=space_label(claimed.names[cell.cell]),
        texts=(write(mean), _count(cell)),
        style=claimed.styles[cell.cell],
    )


def _count(cell: CellResult) -> str:
    return f"n = {cell.n}" + f", {cell.diverged} diverged" * bool(cell.diverged)


def _caption(claimed: Claimed, cells: list[CellResult]) -> str:
    missing = [
        f"{space_label(claimed.names[cell.cell])} ({_count(cell)})"
        for cell in cells
        if not cell.values
    ]
    obstacle = claimed.result.obstacle
    sizes = {cell.n for cell in cells}
    texts = {
        "Large marker: mean of the finished runs. Small: single runs.": True,
        describe_bands("Bar", sizes): max(sizes) >= LEAST_FOR_BAND,
        f"No figure: {'; '.join(missing)}.": bool(missing),
        f"Not tested: {obstacle.text}." if obstacle else "": bool(obstacle),
    }
    return " ".join(text for text, is_said in texts.items() if is_said)
