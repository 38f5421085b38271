"""A claim about an experiment, written down before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bnexp.errors import did_you_mean
from bnexp.parts import Part
from bnexp.runs.measured.diagnostic_tags import LayerReduction, has_pattern, is_diagnostic
from bnexp.runs.record import EVALUATED, Scalar

_KINDS = ("", "_precise", "_batch")
"""Population statistics that a set is evaluated with; the running ones have no suffix."""

TO_TARGET = ("epochs_to_target", "steps_to_target")
"""Metrics that count until `target` is reached; a run that never gets there is censored."""

DIVERGED = "diverged"
"""The metric that counts diverged runs."""

UNTRAINED = "untrained"
"""The metric that counts runs that diverged or ended no better than chance."""

SHARES = (DIVERGED, UNTRAINED)
"""Metrics that are a share of runs."""

TIMES = ("images_per_second", "elapsed_seconds")
"""Metrics that depend on what else the machine does."""

_SETS = ("train", "train_eval", *(f"{part}{kind}" for part in EVALUATED for kind in _KINDS))

METRICS = (
    *(f"{part}/{figure}" for part in _SETS for figure in ("accuracy", "loss")),
    *TIMES,
    "training_memory_bytes",
    *TO_TARGET,
    *SHARES,
)
"""What a claim can be about, besides the figures of diagnostics."""

CHOOSING = ("best", "range")
"""Reductions that choose values of their axis, with seeds that they don't measure."""

_MINUS = " - "
"""Between two metrics of one run, whose difference is meant."""

Key = Annotated[str, Field(min_length=1)]
Values = Annotated[tuple[Scalar, ...], Field(min_length=1)]


class ReductionConfig(Part):
    """How the values along a swept axis become one number per seed.

    `best` and `range` choose values of the axis. They are chosen with other seeds than those
    that are measured (`tuning_seeds`), because the best of several noisy values is better than
    it deserves.
    """

    name: Literal["largest_stable", "best", "range", "slope", "contrast"]
    """`largest_stable`: the end of the stable part of the axis, counted from its lower end, a run
    being stable if it neither diverged nor missed `threshold`. `best`: the metric at the axis
    value whose mean of `select_by` is best. `range`: the metric at the axis value whose mean of
    `select_by` is best, minus that at the worst. `slope`: the metric's least-squares slope over
    the axis. `contrast`: the metric at the axis value `value` minus that at `minus`, which makes
    the claim one about an interaction."""
    over: str
    """The swept key that is the axis; its values are numbers, except for `contrast`."""
    scale: Literal["linear", "log2", "log10"] = "linear"
    """Unit of the axis for `largest_stable` and `slope`: log10 counts factors of ten."""
    threshold: float | None = None
    """For `largest_stable`: what the metric must reach for a run to count as stable, e.g. 0.2
    if chance is 0.1; null: a run only must not diverge."""
    select_by: str = "val/accuracy"
    """For `best` and `range`: the metric, measured on validation images, that chooses the axis
    values."""
    tuning_seeds: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """For `best` and `range`: the seeds of the sweep that choose the axis values and are not
    measured; null takes the first two."""
    value: Scalar = None
    """For `contrast`: the axis value at which the metric counts."""
    minus: Scalar = None
    """For `contrast`: the axis value at which the metric is subtracted."""

    @model_validator(mode="after")
    def _check_fields(self) -> ReductionConfig:
        if self.threshold is not None and self.name != "largest_stable":
            raise ValueError("threshold is only for largest_stable")
        if self.select_by not in ("val/accuracy", "val/loss"):
            raise ValueError(
                "select_by must be measured on validation images: val/accuracy or val/loss"
            )
        if self.tuning_seeds is not None and self.name not in CHOOSING:
            raise ValueError("tuning_seeds is only for best and range")
        is_contrast = self.name == "contrast"
        if is_contrast == (self.value == self.minus):
            raise ValueError("value and minus are two values of the axis, for contrast alone")
        return self


class MomentConfig(Part):
    """When in its training a run is looked at."""

    epoch: int = Field(ge=1)
    """The epoch after which the metric is taken, counted from 1."""


class PublishedConfig(Part):
    """What the source measured, to be printed beside the figures of the runs."""

    treatment: float
    """The source's figure for the treatment, in the unit of the metric."""
    control: float | None = None
    """Its figure for the control; null if the control is a number."""
    where: str = Field(min_length=1)
    """What it was measured on, e.g. ResNet-110 on CIFAR-10, table 2."""
    scale: Literal["same", "direction"] = "direction"
    """Whether the figures can be compared with those of the runs, or their direction alone."""


class ClaimConfig(Part):
    """A prediction, with the smallest effect that matters and where it comes from.

    It is recorded with every run, and in the runs folder, so that it can be seen to have stood
    before the results.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    statement: str = Field(min_length=1)
    """The claim in plain words."""
    source: str = Field(min_length=1)
    """Who makes it: paper, section, figure."""
    treatment: dict[Key, Scalar | Values] = Field(min_length=1)
    """The cells whose metric is predicted, as key: value, such as `model.norm.name: batch`. A list
    of values makes the claim one about each of them: see `at_least`."""
    control: dict[Key, Scalar] | float
    """The cells that they are compared with, or a number: 0.1 is chance for ten classes."""
    each: dict[Key, Values] | None = None
    """Keys with values that both sides have in turn: the claim is about each of them, such as
    `model.activation: [relu, tanh]`."""
    at_least: int | None = Field(default=None, ge=1)
    """In how many of the cases that `each` and lists make the claim must hold; null: in all."""
    metric: str = "test/accuracy"
    """A tag, after the last epoch; the difference of two tags of one run, such as
    `test_precise/accuracy - test/accuracy`; a figure of the whole run such as
    `images_per_second` or `training_memory_bytes`; `epochs_to_target` or `steps_to_target`;
    `diverged`, the share of runs that diverged; or `untrained`, the share that diverged or ended
    no better than chance."""
    at: MomentConfig | None = None
    """When the metric is taken; null: after the last epoch."""
    layers: LayerReduction | None = None
    """For a diagnostic with a figure per layer, how they become one: `median`, `mean`, `min` or
    `max` over the layers that the metric means. `diag/gradient_norm` means all layers,
    `diag/gradient_norm/stages.0.*` those whose names fit."""
    as_: Literal["difference", "ratio"] = Field(default="difference", alias="as")
    """How the sides are compared; the margin of a ratio is relative: 0.05 means 5 %."""
    direction: Literal["higher", "lower", "equal", "not_lower", "not_higher"]
    """Where the treatment is predicted to lie, seen from the control; `equal`: within ±margin;
    `not_lower` and `not_higher`: by less than the margin (non-inferiority)."""
    margin: float = Field(gt=0)
    """The smallest difference that matters, in the metric's unit: 0.01 is one point of accuracy."""
    allow: tuple[Key, ...] = ()
    """Other keys in which the two sides may differ. A claim whose sides differ in a key that
    neither treatment nor control nor this list names stays open: that key may be the cause."""
    paired: bool = True
    """Whether runs of one seed are compared with each other; false compares the sides' means."""
    reduction: ReductionConfig | None = None
    """How several cells become one number per seed; null compares one cell with one."""
    target: float | Literal["control"] | None = None
    """For `epochs_to_target` and `steps_to_target`: the value of test/accuracy to reach;
    `control`: what the control's run of the same seed ends with."""
    diverged_as: float | None = None
    """What a diverged run counts as, in the metric's unit: chance, for an accuracy. With null a
    claim whose runs diverged stays open, unless the claim is about divergence."""
    published: PublishedConfig | None = None
    """What the source measured."""

    @property
    def is_on_a_grid(self) -> bool:
        """Whether the values are few and far between: epochs, or the places of a swept axis."""
        is_place = self.reduction is not None and self.reduction.name == "largest_stable"
        return is_place or self.metric in TO_TARGET

    @property
    def is_choosing(self) -> bool:
        """Whether some seeds choose axis values, and are not measured."""
        return self.reduction is not None and self.reduction.name in CHOOSING

    @property
    def is_score(self) -> bool:
        """Whether it is about how well networks do, which those that learn nothing would spoil."""
        return (
            self.metric not in (*TO_TARGET, *SHARES)
            and self.tags[0].endswith(("/accuracy", "/loss"))
            and not (self.reduction and self.reduction.name == "largest_stable")
        )

    @property
    def tags(self) -> tuple[str, ...]:
        """The metric, or the two whose difference is meant."""
        return tuple(self.metric.split(_MINUS))

    @property
    def margin_on_scale(self) -> float:
        """The margin in the unit that differences are tested in: of a ratio, its logarithm."""
        from math import log1p

        return log1p(self.margin) if self.as_ == "ratio" else self.margin

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, metric: str) -> str:
        if metric == "peak_memory_bytes":
            raise ValueError(
                "a process's peak memory depends on what it did before; use training_memory_bytes"
            )
        tags = metric.split(_MINUS)
        if len(tags) > 2:
            raise ValueError("must be one tag, or two with ' - ' between them")
        for tag in tags:
            is_tag = is_diagnostic(tag) or tag in METRICS
            if not is_tag or (len(tags) > 1 and "/" not in tag):
                hint = did_you_mean(tag, METRICS)
                raise ValueError(f"'{tag}' is not a metric of a run{hint}")
        return metric

    @model_validator(mode="after")
    def _check_together(self) -> ClaimConfig:
        if reason := self._find_contradiction() or self._find_value_beyond_accuracies():
            raise ValueError(reason)
        return self

    def _find_contradiction(self) -> str | None:
        name = self.reduction.name if self.reduction else None
        is_whole = self.metric in (*TIMES, "training_memory_bytes", *TO_TARGET, *SHARES)
        contradictions = {
            "target goes with the metrics epochs_to_target and steps_to_target": (
                (self.metric in TO_TARGET) != (self.target is not None)
            ),
            "a share of runs has no reduction; use largest_stable on an accuracy": (
                name is not None and self.metric in SHARES
            ),
            "largest_stable checks whether a run trains, so its metric must be an accuracy or a "
            "loss": name == "largest_stable" and (is_whole or len(self.tags) > 1),
            "at: this metric is of the whole run": is_whole and self.at is not None,
            "layers goes with a diagnostic that has a figure per layer": (
                self.layers is not None and not all(map(is_diagnostic, self.tags))
            ),
            "layers: say how the figures of several layers become one: median, mean, min or max": (
                self.layers is None and any(map(has_pattern, self.tags))
            ),
            "as: ratio needs a figure above 0, which a share of runs, a difference of two metrics, "
            "a place on an axis and a slope need not be": self.as_ == "ratio"
            and (
                self.metric in SHARES
                or len(self.tags) > 1
                or name in ("largest_stable", "range", "slope", "contrast")
            ),
            "paired: the sign-flip test compares runs of one seed, so it needs pairs": (
                not self.paired and self.is_on_a_grid
            ),
            "each: what both sides have in turn cannot stand in treatment or control": (
                any(key in named for key in self.each or () for named in self._named_sides)
            ),
            "each, treatment: a list has the same value twice": any(
                len({*map(repr, values)}) < len(values) for values in self._lists
            ),
            "at_least goes with several cases: give `each`, or a list in `treatment`": (
                self.at_least is not None and not self.has_cases
            ),
            f"at_least: there are only {self.num_cases} cases": (
                self.at_least is not None and self.at_least > self.num_cases
            ),
            "control: a share of runs and a target are compared between cells": (
                self.is_against_number and (self.metric in SHARES or self.target == "control")
            ),
        }
        return next((reason for reason, is_so in contradictions.items() if is_so), None)

    @property
    def is_against_number(self) -> bool:
        """Whether the control is a number instead of cells."""
        return not isinstance(self.control, dict)

    @property
    def has_cases(self) -> bool:
        """Whether the claim is about several pairs of cells."""
        return bool(self._lists)

    @property
    def num_cases(self) -> int:
        """The number of pairs of cells that the claim is about."""
        return prod(map(len, self._lists))

    @property
    def _lists(self) -> list[Values]:
        lists = [one for one in self.treatment.values() if isinstance(one, tuple)]
        return [*(self.each or {}).values(), *lists]

    @property
    def _named_sides(self) -> list[Mapping[str, Any]]:
        return [self.treatment, *([self.control] if isinstance(self.control, dict) else [])]

    def _find_value_beyond_accuracies(self) -> str | None:
        """Finds percent where accuracies, which lie in [0, 1], are meant."""
        reduced = self.reduction
        is_share = self.metric.endswith("accuracy") or self.metric in SHARES
        values = {"target": self.target if isinstance(self.target, float) else None}
        if is_share:
            values["diverged_as"] = self.diverged_as
            if self.is_against_number and len(self.tags) == 1:
                values["control"] = self.control  # type: ignore[assignment]
            if (reduced is None or reduced.name in CHOOSING) and self.as_ == "difference":
                values["margin"] = self.margin
            if reduced is not None:
                values["reduction.threshold"] = reduced.threshold
        for key, value in values.items():
            if value is not None and not 0 <= value <= 1:
                return f"{key}: accuracies and shares lie in [0, 1]; for {value:g} % write " + (
                    f"{value / 100:g}"
                )
        return None


def _with_tuples(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        return {key: _with_tuples(child) for key, child in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value


RecordedClaim = Annotated[ClaimConfig, BeforeValidator(_with_tuples)]
"""A claim that is read back from JSON, which has lists where a config has tuples."""


def read_claim(raw: Mapping[str, Any]) -> ClaimConfig | None:
    """Returns a claim as it was recorded, or None if this version cannot read it."""
    try:
        return ClaimConfig.model_validate(_with_tuples(raw))
    except ValueError:  # of a lone surrogate, or pydantic's
        return None
