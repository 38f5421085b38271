"""The config that every diagnostic has in common."""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bnexp.parts import Part, part_name

if TYPE_CHECKING:
    from torch import nn

    from bnexp.diagnostics.probe import Probe


class DiagnosticConfig(Part):
    """Chooses something to measure inside the network; `build` makes the probe that does it."""

    docstring_headings: ClassVar[tuple[str, ...]] = ("Formula", "Unit", "Cost", "Source")

    quantities: ClassVar[tuple[str, ...]] = ()
    """What it measures, by the names in its tags; empty for one quantity with its own name."""

    name: str
    every_steps: int | None = Field(default=None, ge=1)
    """Steps from one measurement to the next, counted from the start of the training; null
    measures the middle step of each epoch: the last one's batch may be small, and its learning
    rate nearly 0."""
    layers: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Which layers are measured: their paths in the network, or patterns such as `layers.*.norm`
    (`*` stands for anything, dots included); null: all for which the figures are meant."""

    @classmethod
    def list_quantities(cls) -> tuple[str, ...]:
        """Returns the quantities in its tags `diag/<quantity>/<layer>`."""
        return cls.quantities or (str(part_name(cls)),)

    @abstractmethod
    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of a network, which measures at the steps of `find_steps`."""

    def find_steps(self, steps_per_epoch: int) -> range:
        """Returns the numbers of the steps to measure, counted from 1, without an end."""
        every = self.every_steps or steps_per_epoch
        first = self.every_steps or (steps_per_epoch + 1) // 2
        return range(first, sys.maxsize, every)
