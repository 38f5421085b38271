"""What the runs say of a claim: its sides, its tests, its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from bnexp.analysis.results.caveat import Caveat
from bnexp.analysis.results.cell import CellResult
from bnexp.analysis.stats.intervals import Effect
from bnexp.runs.record import Scalar, State

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

    from bnexp.config.claim.config import ClaimConfig

ClaimVerdict = Literal["supported", "contradicted", "equivalent", "inconclusive", "exploratory"]
"""`exploratory`: the claim came after the results, so that these cannot support it."""

ClaimStanding = Literal["planned", "exploratory"]


class Arrival(NamedTuple):
    """When a run reached its target, or until when it was watched without reaching it."""

    time: float
    """In epochs or steps, as the claim counts."""
    is_reached: bool


@dataclass(frozen=True)
class ClaimCell:
    """One cell of a claim's side, in the runs that the verdict rests on, for the claim's figure."""

    found: CellResult
    """Its values are those of the claim's metric, in the metric's unit. It has `curves` of the two
    tags of a difference, and of the third if they are of two of the three kinds of statistics; and
    `diagnostics`, by the claim's metric, of what that was at each step.
    """
    place: float | None = None
    """Where it stands on the axis of the reduction; of a contrast, 1 for `value` and 0 for
    `minus`."""
    figures: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """What each tag of the metric was in the finished runs, by seed."""
    diverged: frozenset[int] = frozenset()
    """The seeds whose runs diverged."""
    arrivals: Mapping[int, Arrival] = field(default_factory=dict)
    """Of finished and diverged runs, by seed; empty unless the claim counts until a target."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        """Keeps it out of what is stored of a claim: a figure is drawn from the runs."""
        from pydantic_core.core_schema import any_schema

        return any_schema()


@dataclass(frozen=True)
class ClaimSide:
    """The treatment or the control of a claim: its cells, and one number per seed."""

    wanted: Mapping[str, Scalar]
    """The keys and values that the claim names its cells by; none if the control is a number."""
    cells: tuple[str, ...]
    values: Mapping[int, float]
    """In the unit that differences are tested in: of a ratio, logarithms."""
    statuses: Mapping[State, int]
    axis_values: tuple[float, ...] = ()
    """For `best` and `range`: the values of the axis that validation chose."""
    edges: tuple[float, ...] = ()
    """Of them, those at an end of the axis, beyond which there may be a better one."""
    spans: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """For times to a target: between which two evaluations each seed reached it."""
    remarks: tuple[str, ...] = ()
    """What the values leave out: runs that never got there, diverged, or went off the axis."""
    shown: tuple[ClaimCell, ...] = field(default=(), repr=False)
    """The cells run by run, for the figure of the claim."""

    @property
    def mean(self) -> float | None:
        """The mean over the seeds, None without any."""
        return fmean(self.values.values()) if self.values else None


@dataclass(frozen=True, kw_only=True)
class ClaimTest(Effect):
    """Treatment minus control in the claim's measure, before the family of claims is known.

    The interval and `p_for`, `p_against` and `p_equivalence` are valid over all planned looks;
    `p` is of one look alone.
    """

    name: str
    """The test that gave `p`."""
    p_for: float
    """That the prediction is wrong: at most 0.05 if it is shown to be right."""
    p_against: float
    """That the contrary of the prediction is wrong."""
    p_equivalence: float | None = None
    """That the difference is no smaller than the margin; None if that is not asked."""
    confidence: float = 0.95
    """Of the interval, at this look: repeated intervals hold together in 95 %."""
    is_skewed: bool = False
    """Whether the values are too skewed for a t test."""
    overlapping: int = 0
    """Seeds whose two sides arrive between the same two evaluations: as good as no difference."""


@dataclass(frozen=True)
class ClaimPart:
    """One pair of sides of a claim; most claims have just one."""

    treatment: ClaimSide
    control: ClaimSide
    test: ClaimTest | None = None
    """None if an obstacle rules a test out."""
    choice: Mapping[str, Scalar] = field(default_factory=dict)
    """What tells the pair from the claim's other pairs."""

    @property
    def probability_higher(self) -> float | None:
        """The share of all pairs of a treatment's and a control's run in which the first is higher.

        Ties count half. It estimates the probability of improvement, if higher is better. None
        without runs on either side.

        Source: Mann & Whitney 1947, On a test of whether one of two random variables is
        stochastically larger than the other.
        """
        pairs = [
            (after > before) + (after == before) / 2
            for after in self.treatment.values.values()
            for before in self.control.values.values()
        ]
        return fmean(pairs) if pairs else None


@dataclass(frozen=True)
class ClaimLook:
    """How far an experiment that is looked at while it grows has come."""

    seeds: int
    """Seeds that the verdict rests on, or, without one, that were last looked at."""
    most: int
    """Seeds that it may take at most."""
    looks: tuple[int, ...] = ()
    """The planned numbers of seeds to look at; one if there is no more than one look."""
    choosing: int = 0
    """How many of the seeds chose values of an axis, and are not measured."""

    @property
    def is_early(self) -> bool:
        """Whether the verdict came before the last look."""
        return self.seeds < self.most


@dataclass(frozen=True)
class ClaimResult:
    """What the runs say of a claim that was written down before them."""

    claim: ClaimConfig
    parts: tuple[ClaimPart, ...]
    verdict: ClaimVerdict
    look: ClaimLook
    standing: ClaimStanding = "planned"
    """Whether the claim stood before its runs had results; if not, it cannot be supported."""
    would_be: ClaimVerdict | None = None
    """The verdict that an exploratory claim would have had."""
    obstacle: Caveat | None = None
    """Why the claim is inconclusive."""
    p_holm: float | None = None
    """The p-value that the verdict rests on, adjusted over all looks and claims of the report."""
    p_equivalence: float | None = None
    """That of the test for equivalence, adjusted likewise."""
    seeds_needed: int | None = None
    """Seeds per side that find an effect of the margin with 80 % power."""
    images: tuple[int, int] | None = None
    """How many pictures the runs were trained and tested on; None if that is not recorded."""
    also_differ: tuple[str, ...] = ()
    """Keys that the claim allows, and in which the two sides differ as well."""
    caveats: tuple[Caveat, ...] = ()

    @property
    def treatment(self) -> ClaimSide:
        """The treatment, the first one's if the claim has several."""
        return self.parts[0].treatment

    @property
    def control(self) -> ClaimSide:
        """The control, the first one's if the claim has several."""
        return self.parts[0].control

    @property
    def test(self) -> ClaimTest | None:
        """The test, of the first part if the claim has several."""
        return self.parts[0].test
