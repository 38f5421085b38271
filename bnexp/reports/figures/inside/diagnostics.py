"""A figure of each quantity that diagnostics measured: of its layers, or of the whole network."""

from __future__ import annotations

from dataclasses import replace

from bnexp.analysis.diagnostics import MOST_CELLS, merge_orders
from bnexp.analysis.results import Comparison
from bnexp.reports.figures.inside.layers import build_maps
from bnexp.reports.figures.inside.measured import Measured
from bnexp.reports.figures.inside.steps import build_lines, build_ranges
from bnexp.reports.figures.sheet import Chart
from bnexp.runs.measured.diagnostic_tags import WHOLE, split_diagnostic

_LOWEST, _HIGHEST = "_lowest", "_highest"
"""What the names of two quantities end with that are the ends of one range."""


def build_diagnostics(comparison: Comparison) -> dict[str, Chart]:
    """Returns a figure of each quantity that diagnostics measured, by its name.

    A quantity of several layers is a heat map per cell, all with the same colours: layers over
    epochs, the mean over the seeds. One of the whole network is a line per cell over the steps;
    two that are the ends of a range, e.g. of the loss along the gradient, are a band.
    """
    charts: dict[str, Chart | None] = {}
    collected = _collect(comparison)
    for name, measured in collected.items():
        stem = name.removesuffix(_LOWEST)
        highest = collected.get(f"{stem}{_HIGHEST}")
        if stem != name and highest and WHOLE in measured.layers:
            charts[stem] = build_ranges(comparison, replace(measured, name=stem), highest)
    ranged = {f"{stem}{end}" for stem in charts for end in (_LOWEST, _HIGHEST)}
    for name, measured in collected.items():
        layers = tuple(layer for layer in measured.layers if layer != WHOLE)
        if len(layers) == 1:
            charts[name] = build_lines(comparison, measured, layers[0])
        elif layers:
            charts[name] = build_maps(comparison, replace(measured, layers=layers))
        if WHOLE in measured.layers and name not in ranged:
            whole = f"{name}_{WHOLE}" if layers else name
            charts[whole] = build_lines(comparison, measured, WHOLE)
    return {name: chart for name, chart in charts.items() if chart is not None}


def _collect(comparison: Comparison) -> dict[str, Measured]:
    """Returns what was measured by the name of the quantity, the baseline first among the cells."""
    tags: dict[str, dict[str, str]] = {}
    for tag in merge_orders(cell.diagnostics for cell in comparison.cells):
        name, layer = split_diagnostic(tag)
        tags.setdefault(name, {})[layer] = tag
    cells = [cell for cell in comparison.cells if cell.diagnostics]
    cells.sort(key=lambda cell: cell.cell != comparison.baseline)
    left_out = max(0, len(comparison.cells) - MOST_CELLS)
    return {
        name: Measured(
            name,
            tuple(cells),
            {
                cell.cell: {
                    layer: cell.diagnostics[tag]
                    for layer, tag in by_layer.items()
                    if tag in cell.diagnostics
                }
                for cell in cells
            },
            tuple(by_layer),
            left_out,
        )
        for name, by_layer in tags.items()
    }
