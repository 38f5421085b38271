"""What each cell is called and the piece of its line that stands beside its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.sheet import draw_swatch, space_label
from bnexp.reports.figures.style import Style, cell_styles, figure_settings
from bnexp.reports.html.charts import embed
from bnexp.reports.html.markup import Markup
from bnexp.reports.words.cell_names import shorten_cell_names


@dataclass(frozen=True)
class Mark:
    """How a cell is shown in a table."""

    style: Style
    spaced: str
    """The settings in which the cells differ, with a blank after each comma."""

    def swatch(self) -> Markup:
        """Returns a piece of the cell's line with its marker."""
        return _draw(self.style)


def cell_marks(comparison: Comparison) -> dict[str, Mark]:
    """Returns each cell's mark, by the cell's name."""
    labels = shorten_cell_names(comparison)
    return {
        cell: Mark(style, space_label(labels[cell]))
        for cell, style in cell_styles(comparison).items()
    }


@cache
def _draw(style: Style) -> Markup:
    with figure_settings():
        sheet = draw_swatch(style)
        return embed(sheet, class_="swatch", width="34", height="16", aria_hidden="true")
