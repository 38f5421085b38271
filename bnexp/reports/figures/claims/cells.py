"""The cells of a claim, run by run, with the names and looks that they have in its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bnexp.analysis.differences.differing_keys import differing_keys
from bnexp.analysis.results import (
    CellResult,
    ClaimCell,
    ClaimResult,
    ClaimSide,
    Comparison,
    Question,
)
from bnexp.reports.figures.style import Style, assign_styles, cell_styles
from bnexp.reports.words.cell_names import name_settings
from bnexp.reports.words.claims import describe_claim
from bnexp.runs.record import Scalar


@dataclass(frozen=True)
class Claimed:
    """A claim's result beside the comparison that it belongs to."""

    comparison: Comparison
    result: ClaimResult

    @property
    def title(self) -> str:
        """The verdict and the claim."""
        text = describe_claim(self.result)
        return f"{text.heading}: {text.statement}"

    @cached_property
    def sides(self) -> tuple[ClaimSide, ...]:
        """The sides that are cells, the controls first."""
        parts = self.result.parts
        every = [*(part.control for part in parts), *(part.treatment for part in parts)]
        return tuple(side for side in every if side.shown)

    @cached_property
    def cells(self) -> tuple[ClaimCell, ...]:
        """Every cell once, those of the control first."""
        return tuple({one.found.cell: one for side in self.sides for one in side.shown}.values())

    @property
    def sizes(self) -> set[int]:
        """How many finished runs the cells have."""
        return {one.found.statuses.get("finished", 0) for one in self.cells}

    @property
    def number(self) -> float | None:
        """What the treatment is compared with, if that is a number."""
        control = self.result.claim.control
        return None if isinstance(control, dict) else control

    @cached_property
    def whole(self) -> Comparison:
        """The claim's cells as a comparison of their own, on the claim's metric."""
        return self.compare([one.found for one in self.cells])

    def compare(self, cells: Sequence[CellResult]) -> Comparison:
        """Returns some cells as a comparison on the claim's metric, the first as its baseline."""
        return replace(
            self.comparison,
            question=Question(self.result.claim.metric),
            baseline=cells[0].cell if cells else "",
            target=None,
            differing=differing_keys(cell.settings for cell in cells),
            cells=tuple(cells),
            claims=(),
            caveats=(),
            where={},
        )

    @cached_property
    def names(self) -> Mapping[str, str]:
        """A short name for each cell: what tells the claim's cells apart, else what it says."""
        settings = [one.found.settings for one in self.cells]
        labels = [one.found.cell for one in self.cells]
        short = name_settings(self.whole.differing, settings)
        if len(self.cells) == 1:
            wanted: Mapping[str, Scalar] = self.sides[0].wanted
            short = name_settings([*wanted], [wanted])
        return dict(zip(labels, short or labels, strict=True))

    @cached_property
    def styles(self) -> Mapping[str, Style]:
        """A look for each cell, that of the comparison's other figures if it is in them."""
        known = cell_styles(self.comparison)
        labels = [one.found.cell for one in self.cells]
        if all(label in known for label in labels):
            return {label: known[label] for label in labels}
        settings = [one.found.settings for one in self.cells]
        return dict(zip(labels, assign_styles(settings, self.whole.differing), strict=True))
