"""A figure that can be drawn at two widths, with the words that go with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.sheet import Sheet
from bnexp.reports.words.headings import describe_conditions


@dataclass(frozen=True)
class Chart:
    """A figure; `draw` takes whether there is room for words beside the axes."""

    title: str
    caption: str
    """How to read it."""
    description: str
    """What it shows, for those who cannot see it."""
    draw: Callable[[bool], Sheet]
    selection: str = ""
    """Which runs were chosen."""

    def draw_alone(self, *, is_wide: bool) -> Sheet:
        """Returns the drawing with title and caption above it, for a file of its own."""
        sheet = self.draw(is_wide)
        sheet.add_heading(self.title, filter(None, (self.selection, self.caption)))
        return sheet


def describe_selection(comparison: Comparison) -> str:
    """Returns which runs were chosen, or nothing."""
    conditions = describe_conditions(comparison.where)
    return f"where {conditions}" if conditions else ""
