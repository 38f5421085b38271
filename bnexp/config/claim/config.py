"""A claim about an experiment, written down before it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from bnexp.errors import did_you_mean
from bnexp.parts import Part
from bnexp.runs.record import Scalar

_KINDS = ("", "_precise", "_batch")
"""Population statistics that a set is evaluated with; the running ones have no suffix."""

TO_TARGET = ("epochs_to_target", "steps_to_target")
"""Metrics that count until `target` is reached; a run that never gets there is censored."""

DIVERGED = "diverged"
"""The metric that counts diverged runs."""

_SETS = ("train", "train_eval", *(f"{part}{kind}" for part in ("val", "test") for kind in _KINDS))

METRICS = (
    *(f"{part}/{figure}" for part in _SETS for figure in ("accuracy", "loss")),
    "images_per_second",
    "elapsed_seconds",
    "training_memory_bytes",
    "peak_memory_bytes",
    *TO_TARGET,
    DIVERGED,
)
"""What a claim can be about, besides the figures of diagnostics."""


class ReductionConfig(Part):
    """How the values along a swept axis become one number per seed."""

    name: Literal["largest_stable", "best", "range", "slope"]
    """`largest_stable`: the largest axis value whose run neither diverged nor missed `threshold`.
    `best`: the metric at the axis value whose mean of `select_by` is best. `range`: largest minus
    smallest value of the metric, the seeds' noise included. `slope`: the metric's least-squares
    slope over the axis."""
    over: str
    """The swept key, with numbers as values, that is the axis."""
    scale: Literal["linear", "log2", "log10"] = "linear"
    """Unit of the axis for `largest_stable` and `slope`: log10 counts factors of ten."""
    threshold: float | None = None
    """For `largest_stable`: what the metric must reach for a run to count as stable, e.g. 0.2
    if chance is 0.1; null: a run only must not diverge."""
    select_by: str = "val/accuracy"
    """For `best`: the metric, measured on validation images, that chooses the axis value."""

    @model_validator(mode="after")
    def _check_fields(self) -> ReductionConfig:
        if self.threshold is not None and self.name != "largest_stable":
            raise ValueError("threshold is only for largest_stable")
        if self.select_by not in ("val/accuracy", "val/loss"):
            raise ValueError(
                "select_by must be measured on validation images: val/accuracy or val/loss"
            )
        return self


class ClaimConfig(Part):
    """A prediction, with the smallest effect that matters and where it comes from.

    It is recorded with every run, so that it can be seen to have stood before the results.
    """

    statement: str = Field(min_length=1)
    """The claim in plain words."""
    source: str = Field(min_length=1)
    """Who makes it: paper, section, figure."""
    treatment: dict[str, Scalar] = Field(min_length=1)
    """The cells whose metric is predicted, as key: value, such as `model.norm.name: batch`."""
    control: dict[str, Scalar] = Field(min_length=1)
    """The cells that they are compared with."""
    metric: str = "test/accuracy"
    """A tag, after the last epoch; a figure of the whole run such as images_per_second;
    `epochs_to_target` or `steps_to_target`; or `diverged`, the share of runs that diverged."""
    direction: Literal["higher", "lower", "equal"]
    """Where the treatment is predicted to lie, seen from the control; `equal`: within ±margin."""
    margin: float = Field(gt=0)
    """The smallest difference that matters, in the metric's unit: 0.01 is one point of accuracy."""
    reduction: ReductionConfig | None = None
    """How several cells become one number per seed; null compares one cell with one."""
    target: float | None = None
    """For `epochs_to_target` and `steps_to_target`: the value of test/accuracy to reach."""
    diverged_as: float | None = None
    """What a diverged run counts as, in the metric's unit: chance, for an accuracy. With null a
    claim whose runs diverged stays open, unless the claim is about divergence."""

    @property
    def is_on_a_grid(self) -> bool:
        """Whether the values are few and far between: epochs, or the places of a swept axis."""
        is_place = self.reduction is not None and self.reduction.name == "largest_stable"
        return is_place or self.metric in TO_TARGET

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, metric: str) -> str:
        if metric not in METRICS and not metric.startswith("diag/"):
            hint = did_you_mean(metric, METRICS)
            raise ValueError(f"'{metric}' is not a metric of a run{hint}")
        return metric

    @model_validator(mode="after")
    def _check_together(self) -> ClaimConfig:
        if reason := self._find_contradiction() or self._find_value_beyond_accuracies():
            raise ValueError(reason)
        return self

    def _find_contradiction(self) -> str | None:
        name = self.reduction.name if self.reduction else None
        if (self.metric in TO_TARGET) != (self.target is not None):
            return "target goes with the metrics epochs_to_target and steps_to_target"
        if name and self.metric == DIVERGED:
            return "the share of diverged runs has no reduction; use largest_stable on an accuracy"
        if name == "largest_stable" and self.metric in TO_TARGET:
            return (
                "largest_stable checks whether a run trains, so its metric must be an accuracy "
                "or a loss"
            )
        if self.direction == "equal" and (self.is_on_a_grid or self.metric == DIVERGED):
            return (
                "equality cannot be shown for a share of runs, for epochs, or for places on an "
                "axis, because they have too few values; predict higher or lower, or compare an "
                "accuracy"
            )
        return None

    def _find_value_beyond_accuracies(self) -> str | None:
        """Finds percent where accuracies, which lie in [0, 1], are meant."""
        reduced = self.reduction
        is_share = self.metric.endswith("accuracy") or self.metric == DIVERGED
        values = {"target": self.target}
        if is_share:
            values["diverged_as"] = self.diverged_as
            if reduced is None or reduced.name in ("best", "range"):
                values["margin"] = self.margin
            if reduced is not None:
                values["reduction.threshold"] = reduced.threshold
        for key, value in values.items():
            if value is not None and not 0 <= value <= 1:
                return f"{key}: accuracies and shares lie in [0, 1]; for {value:g} % write " + (
                    f"{value / 100:g}"
                )
        return None
