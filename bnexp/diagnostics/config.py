"""The config that every diagnostic has in common."""

from __future__ import annotations

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
    measures the last step of each epoch."""
    layers: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Which layers are measured: their paths in the network, or patterns such as `layers.*.norm`
    (`*` stands for anything, dots included); null: all for which the figures are meant."""

    @classmethod
    def list_quantities(cls) -> tuple[str, ...]:
        """Returns the quantities in its tags `diag/<quantity>/<layer>`."""
        return cls.quantities or (str(part_name(cls)),)

    @abstractmethod
    def build(self, model: nn.Module, steps_per_epoch: int) -> Probe:
        """Returns the probe of a network, which measures every `find_interval` steps."""

    def find_interval(self, steps_per_epoch: int) -> int:
        """Returns the steps from one measurement to the next."""
        return self.every_steps or steps_per_epoch
