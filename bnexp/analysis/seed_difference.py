"""The difference of two sides with one value per seed, paired if their seeds pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.analysis.stats.intervals import (
    DifferenceEstimate,
    paired_difference,
    welch_difference,
)
from bnexp.analysis.stats.power import Design

Values = Mapping[int, float]
"""The value of each seed."""


@dataclass(frozen=True)
class SeedDifference:
    """The mean difference of two sides, with the values that it was estimated from."""

    estimate: DifferenceEstimate
    by_seed: Mapping[int, float]
    """The difference of each common seed; empty if the seeds don't pair."""
    samples: tuple[tuple[float, ...], ...]
    """The paired differences, or the values of both sides."""

    @property
    def n(self) -> int:
        """Pairs of seeds if they pair, else the runs of both sides together."""
        return sum(map(len, self.samples))

    @property
    def design(self) -> Design:
        """The test of as many seeds with as much spread, if there are two or more per sample."""
        return Design.of(*self.samples)


def compare_seeds(treatment: Values, control: Values) -> SeedDifference:
    """Returns treatment minus control, each with at least one seed.

    Seeds pair if the sides have at least two in common, or one and a side has no other.
    """
    common = sorted(treatment.keys() & control.keys())
    if len(common) > 1 or (common and min(len(treatment), len(control)) < 2):
        after, before = (tuple(side[seed] for seed in common) for side in (treatment, control))
        by_seed = {seed: treatment[seed] - control[seed] for seed in common}
        return SeedDifference(paired_difference(after, before), by_seed, (tuple(by_seed.values()),))
    after, before = tuple(treatment.values()), tuple(control.values())
    return SeedDifference(welch_difference(after, before), {}, (after, before))
