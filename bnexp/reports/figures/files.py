"""Writes the comparison's figures as PNG and SVG; loads matplotlib only then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnexp.analysis.results import Comparison
from bnexp.errors import UsageError
from bnexp.files import open_atomically
from bnexp.reports.figures.curves import draw_learning_curves, finished_curves
from bnexp.reports.figures.effects import draw_effects
from bnexp.reports.figures.style import figure_settings
from bnexp.reports.words.headings import describe_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 160


def write_figures(comparisons: Sequence[Comparison], directory: Path) -> tuple[Path, ...]:
    """Writes each figure that the comparisons have data for, and returns the paths.

    `curves_<metric>` needs a history of the metric in a finished run, `effects_<metric>` a
    difference to the baseline. Of several comparisons each has a folder of its own, named
    by what sets it apart. The same comparison gives the same bytes.

    Raises:
        UsageError: The folder cannot be written.
    """
    try:
        return tuple(
            path
            for comparison in comparisons
            for path in _write(comparison, directory / _folder(comparison, comparisons))
        )
    except OSError as error:
        raise UsageError(f"--plots: cannot write figures to '{directory}': {error}") from error


def _write(comparison: Comparison, directory: Path) -> Iterator[Path]:
    slug = comparison.metric.replace("/", "_")
    directory.mkdir(parents=True, exist_ok=True)
    with figure_settings():
        for kind, figure in _draw(comparison).items():
            yield from _save(figure, directory / f"{kind}_{slug}")


def _folder(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
    part = describe_part(comparison, comparisons).replace(" = ", "=")
    return re.sub(r"[^A-Za-z0-9._=,()-]+", "_", part).strip(".")


def _draw(comparison: Comparison) -> dict[str, Figure]:
    figures = {}
    if any(finished_curves(cell) for cell in comparison.cells):
        figures["curves"] = draw_learning_curves(comparison)
    if any(cell.difference for cell in comparison.cells):
        figures["effects"] = draw_effects(comparison)
    return figures


def _save(figure: Figure, stem: Path) -> tuple[Path, Path]:
    png, svg = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg"))
    with open_atomically(png) as file:
        figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    with open_atomically(svg) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
    return png, svg
