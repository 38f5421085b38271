"""What a comparison found: plain, frozen values that the reports show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from bnexp.analysis.stats.intervals import DifferenceEstimate, Effect
from bnexp.runs.measured.diagnostic_tags import LayerReduction
from bnexp.runs.record import Scalar, Series, State

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

    from bnexp.config.claim.config import ClaimConfig
    from bnexp.runs.measured.predictions import Predictions

Verdict = Literal[
    "better",
    "worse",
    "higher",
    "lower",
    "equivalent",
    "no clear difference",
    "identical",
    "confounded",
    "not tested",
]
"""`higher` and `lower` are for metrics of which neither direction is better; `equivalent` is for a
difference that is shown to lie within the margin that was asked for."""

Choices = Mapping[str, tuple[str, ...]]
"""Keys, each with the values that runs were chosen by: a run has one of them."""

ClaimVerdict = Literal["supported", "contradicted", "equivalent", "inconclusive", "exploratory"]
"""`exploratory`: the claim came after the results, so that these cannot support it."""

ClaimStanding = Literal["planned", "exploratory"]

_OfRuns = Literal[
    "no result", "no figure", "diverged", "unfinished", "damaged", "copied", "changed data"
]
_OfCells = Literal[
    "few seeds", "unpaired", "confounded", "unchecked", "circumstances", "other layers"
]
_OfClaims = Literal[
    "wrong cells", "late claim", "unreadable claim", "unrecorded claim", "untrained", "at the edge"
]
_OfTests = Literal["untestable", "undecided", "skewed", "tuned", "close call"]
CaveatKind = Literal[_OfRuns, _OfCells, _OfClaims, _OfTests]
"""What a caveat is about: runs, cells, what a claim says, or the test of it."""


SpeedObstacle = Literal["few runs", "other machine", "out of turn", "unsteady"]
"""Why the speed of a cell cannot be compared with the baseline's: too few finished runs, runs on
another machine, runs that did not take turns seed by seed, runs that differ among themselves."""


@dataclass(frozen=True)
class Caveat:
    """What limits the figures, or keeps a claim open, in parts that each format joins itself."""

    kind: CaveatKind
    subject: str
    """What was found, such as `2 runs failed`."""
    details: tuple[str, ...] = ()
    """The runs, cells or keys that it was found in."""
    consequence: str = ""
    """What follows from it, or what to do about it."""

    @property
    def text(self) -> str:
        """All of it in one line, without a full stop."""
        return ": ".join(filter(None, (self.subject, "; ".join(self.details), self.consequence)))


@dataclass(frozen=True, kw_only=True)
class Difference(DifferenceEstimate):
    """A cell's mean minus the baseline's, in the metric's unit."""

    p_holm: float | None
    """`p`, adjusted over all cells that are tested against the baseline and not confounded."""
    verdict: Verdict = "not tested"
    confounds: tuple[str, ...] = ()
    """Keys of config and environment that differ from the baseline's, though not swept."""
    unchecked: int = 0
    """Runs of the cell and the baseline whose config or environment cannot be read."""
    changed: tuple[str, ...] = ()
    """Swept keys whose value is not the baseline's: what the difference is due to."""
    p_equivalence: float | None = None
    """p of the two one-sided tests against the margin, adjusted by Holm; None without margin."""
    smallest_detectable: float | None = None
    """The true difference that runs as many and as spread as these find with 80 % power, at
    the strictest of Holm's steps; only if the verdict is `no clear difference`."""
    seeds_needed: int | None = None
    """Seeds per cell with which a true difference of the margin is found with 80 % power, at
    the strictest of Holm's steps; only if the verdict is `no clear difference` and there
    is a margin."""

    @property
    def is_confounded(self) -> bool:
        """Whether something else may explain the difference, so that no cause can be named."""
        return bool(self.confounds or self.unchecked)

    @property
    def is_asked(self) -> bool:
        """Whether the difference belongs to Holm's family.

        A cell that is identical to the baseline asks no question, and a confounded one gets
        no answer.
        """
        return not (self.is_zero or self.is_confounded)


@dataclass(frozen=True)
class EpochsToTarget:
    """The first epoch, counted from 1, at which runs reach the target.

    A run that never reaches it is censored: it counts as later than its last epoch,
    so `median` (Kaplan and Meier's) is a lower bound if `is_censored`. The
    restricted mean is the mean over the first `horizon` epochs, those that every run was
    to have; a run that needs longer counts as `horizon`.
    """

    median: float
    is_censored: bool
    reached: int
    n: int
    restricted_mean: float
    horizon: float
    steps_per_epoch: float | None
    """Optimiser steps of an epoch; None if the finished runs differ in it, or there are none."""

    @property
    def median_steps(self) -> float | None:
        """The median in optimiser steps."""
        return self.steps_per_epoch and self.median * self.steps_per_epoch

    @property
    def restricted_mean_steps(self) -> float | None:
        """The restricted mean in optimiser steps."""
        return self.steps_per_epoch and self.restricted_mean * self.steps_per_epoch


@dataclass(frozen=True)
class Divergence:
    """How often a cell's runs diverged, beside the baseline's: Fisher's exact test."""

    diverged: int
    n: int
    """Runs that ended: finished or diverged."""
    baseline_diverged: int
    baseline_n: int
    p: float
    p_holm: float
    """`p`, adjusted over all cells for which a run of either side diverged."""


@dataclass(frozen=True)
class FirstRun:
    """What the run with the lowest seed predicted, of those of a cell that finished.

    It stands for the cell, since choosing the best run would be choosing on the test images.
    """

    seed: int
    predictions: Predictions | None
    """None if it kept none, or if they cannot be read."""
    problem: str = ""
    """Why they cannot be read."""


@dataclass(frozen=True)
class CellResult:
    """One cell: its final values over the seeds, its cost, and its difference to the baseline.

    `values`, and all that is computed from them, cover finished runs only; `statuses`
    counts every run. `mean` is None without a finished run; `std` (over n - 1) and the
    95 % t interval are None below two.
    """

    cell: str
    settings: Mapping[str, Scalar]
    values: Mapping[int, float]
    mean: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    statuses: Mapping[State, int]
    difference: Difference | None = None
    epochs_to_target: EpochsToTarget | None = None
    train_test_gap: float | None = None
    """Mean of train accuracy (evaluation mode, no augmentation, final weights) minus test's."""
    images_per_second: float | None = None
    """Median training throughput of the finished runs."""
    elapsed_seconds: float | None = None
    """Median time of the finished runs."""
    speed_obstacle: SpeedObstacle | None = None
    """Why no ratio of speed or time to the baseline's is given; None for the baseline itself."""
    training_memory_bytes: float | None = None
    """Median of what a training step of the finished runs holds."""
    peak_memory_bytes: float | None = None
    """Median peak memory of the finished runs' processes, or of the device on CUDA."""
    parameters: int | None = None
    """Trainable numbers of the network; None if runs of the cell differ in it."""
    damaged: int = 0
    """Runs among the failed ones that ended, but whose summary cannot be read."""
    silent: int = 0
    """Runs among the running ones that have probably died."""
    divergence: Divergence | None = None
    """None for the baseline, and if no run of either diverged."""
    curves: Mapping[str, Mapping[int, tuple[float, ...]]] = field(default_factory=dict)
    """Values after each epoch, by seed, of finished and of diverged runs: those of the metric
    by its tag, and those of the accuracies and losses that belong to it."""
    diagnostics: Mapping[str, Mapping[int, Series]] = field(default_factory=dict)
    """What diagnostics measured, by tag and seed, in the finished runs, or in the diverged ones if
    none finished; empty unless it was asked for."""
    first_run: FirstRun | None = None
    """None if no run finished, or unless it was asked for."""

    @property
    def n(self) -> int:
        """The number of finished runs that `mean` stands on."""
        return len(self.values)

    @property
    def runs(self) -> int:
        """The number of runs in any state."""
        return sum(self.statuses.values())

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return self.statuses.get("diverged", 0)


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


@dataclass(frozen=True)
class Question:
    """What is asked of the runs; the metric's unit is that of target and margin."""

    metric: str = "test/accuracy"
    baseline: str | None = None
    """A cell's name or a part of it; by default the first cell without a norm, else the first."""
    target: float | None = None
    """The value that epochs are counted to; by default the baseline's mean."""
    margin: float | None = None
    """The smallest difference that matters; with it, equivalence is tested too."""
    where: Choices = field(default_factory=dict)
    """Values that the runs were chosen by."""
    layers: LayerReduction | None = None
    """How a diagnostic's figures of several layers become one."""

    @property
    def tag(self) -> str:
        """The metric by the name that it has in summaries and reports."""
        return f"{self.metric}, {self.layers} over layers" if self.layers else self.metric


@dataclass(frozen=True)
class Trial:
    """One combination of values that tuning tried."""

    values: Mapping[str, Scalar]
    mean: float | None
    """Of what was to be best, over the runs that finished; None without any."""
    n: int
    diverged: int


@dataclass(frozen=True)
class Tuning:
    """What was tried for a cell before its measured runs, and what was chosen."""

    over: Mapping[str, tuple[Scalar, ...]]
    by: str
    seeds: tuple[int, ...]
    arm: Mapping[str, Scalar]
    """The keys and values of the cells that were tuned for all; empty if each cell was."""
    chosen: Mapping[str, Scalar]
    at_edge: tuple[str, ...]
    """Keys whose chosen value is the smallest or largest of those tried."""
    trials: tuple[Trial, ...]

    @property
    def design(self) -> tuple[object, ...]:
        """What two cells must share for their tuned keys to differ fairly."""
        over = tuple((key, *values) for key, values in self.over.items())
        return over, self.by, self.seeds, tuple(self.arm.items())


@dataclass(frozen=True)
class TunedCells:
    """The cells that share one tuning, and what it found."""

    cells: tuple[str, ...]
    tuning: Tuning


@dataclass(frozen=True)
class Comparison:
    """All cells of one or more experiments against one baseline cell, in sweep order."""

    experiment: str
    question: Question
    """What was asked; the other fields hold what came of it."""
    baseline: str
    target: float | None
    """The value that `epochs_to_target` counts to, in the metric's unit."""
    swept: tuple[str, ...]
    """Config keys that the experiments vary."""
    differing: tuple[str, ...]
    """Keys whose values differ between the cells at hand: those of `swept`, and up to three
    that tell several experiments apart."""
    cells: tuple[CellResult, ...]
    claims: tuple[ClaimResult, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    tunings: tuple[TunedCells, ...] = ()
    """How the values of tuned keys were chosen, if any were."""
    where: Choices = field(default_factory=dict)
    """Values that all runs at hand share by choice: those of `question`, and that of `--by`."""

    @property
    def metric(self) -> str:
        """The tag that is compared."""
        return self.question.tag

    @property
    def margin(self) -> float | None:
        """The smallest difference that matters, if the reader named one; in the metric's unit."""
        return self.question.margin

    @property
    def baseline_cell(self) -> CellResult:
        """The cell that all others are compared with."""
        return next(cell for cell in self.cells if cell.cell == self.baseline)
