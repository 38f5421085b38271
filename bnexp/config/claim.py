"""A claim about an experiment, written down before it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bnexp.parts import Part

Scalar = str | int | float | bool | None

TO_TARGET = ("epochs_to_target", "steps_to_target")
"""Metrics that count until `target` is reached; a run that never gets there is censored."""

DIVERGED = "diverged"
"""The metric that counts diverged runs."""


class ReductionConfig(Part):
    """How the values along a swept axis become one number a seed."""

    name: Literal["largest_stable", "best", "range", "slope"]
    """`largest_stable`: the largest axis value whose run neither diverged nor missed `threshold`.
    `best`: the metric at the axis value whose mean of `select_by` is best. `range`: largest minus
    smallest value of the metric. `slope`: the metric's least-squares slope over the axis."""
    over: str
    """The swept key, with numbers as values, that is the axis."""
    scale: Literal["linear", "log2", "log10"] = "linear"
    """Unit of the axis for `largest_stable` and `slope`: log10 counts factors of ten."""
    threshold: float | None = None
    """For `largest_stable`: what the metric must reach for a run to count as stable, such as 0.2
    where chance is 0.1; null: not to diverge is enough."""
    select_by: str = "val/accuracy"
    """For `best`: the metric, measured on validation images, that chooses the axis value."""

    @model_validator(mode="after")
    def _check_fields(self) -> ReductionConfig:
        if self.threshold is not None and self.name != "largest_stable":
            raise PydanticCustomError("threshold", "threshold belongs to largest_stable alone")
        if self.select_by.startswith("test"):
            raise PydanticCustomError(
                "select_by", "select_by must not be measured on test images; use val/accuracy"
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
    """What makes one number a seed out of several cells; null compares one cell with one."""
    target: float | None = None
    """For `epochs_to_target` and `steps_to_target`: the value of test/accuracy to reach."""
    diverged_as: float | None = None
    """What a diverged run counts as, in the metric's unit: chance, for an accuracy. With null a
    claim whose runs diverged stays open, unless the claim is about divergence."""

    @field_validator("reduction")
    @classmethod
    def _check_reduction(
        cls,
        reduction: ReductionConfig | None,
        info: Any,  # noqa: ANN401 - pydantic's own
    ) -> ReductionConfig | None:
        metric = info.data.get("metric")
        if reduction is not None and metric == DIVERGED:
            raise PydanticCustomError(
                "reduction", "the share of diverged runs has no reduction; use largest_stable"
            )
        return reduction

    @model_validator(mode="after")
    def _check_target(self) -> ClaimConfig:
        if (self.metric in TO_TARGET) != (self.target is not None):
            raise PydanticCustomError(
                "target", "target goes with the metrics epochs_to_target and steps_to_target"
            )
        return self


@dataclass(frozen=True)
class Variant:
    """A cell as a claim sees it: its name, swept settings, and flattened config."""

    name: str
    settings: Mapping[str, Scalar]
    config: Mapping[str, Scalar]

    def value_of(self, key: str) -> Scalar:
        """Returns the value of a key; of a part's key, such as `model.norm`, its name.

        Raises:
            KeyError: The variant has no such key.
        """
        for mapping in (self.settings, self.config):
            for name in (key, f"{key}.name"):
                if name in mapping:
                    return mapping[name]
        raise KeyError(key)

    def has(self, wanted: Mapping[str, Scalar]) -> bool:
        """Tells whether the variant has all of these values; 1 and 1.0 are the same."""
        return all(self._has_one(key, value) for key, value in wanted.items())

    def _has_one(self, key: str, wanted: Scalar) -> bool:
        try:
            own = self.value_of(key)
        except KeyError:
            return False
        return isinstance(own, bool) == isinstance(wanted, bool) and own == wanted


@dataclass(frozen=True)
class ClaimProblem:
    """What makes a claim unanswerable by an experiment, at a path below the claim."""

    path: tuple[str, ...]
    reason: str


def find_claim_problems(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[ClaimProblem]:
    """Yields what keeps the experiment's cells from answering the claim.

    Each side must be one cell, or with a reduction one cell for each value of its axis,
    and no cell may be on both sides.
    """
    sides = {side: find_side(claim, side, variants) for side in ("treatment", "control")}
    for side, found in sides.items():
        if not found:
            yield ClaimProblem((side,), _describe_no_match(getattr(claim, side), variants))
        elif claim.reduction is not None:
            yield from _find_axis_problems(claim.reduction, side, found)
        elif len(found) > 1:
            names = ", ".join(variant.name for variant in found[:4])
            reason = f"matches {len(found)} cells ({names}); name more keys, or give a reduction"
            yield ClaimProblem((side,), reason)
    both = [variant.name for variant in sides["treatment"] if variant in sides["control"]]
    if both:
        yield ClaimProblem(("control",), f"cell {both[0]} is in the treatment as well")
    yield from _find_selection_problems(claim, [*sides["treatment"], *sides["control"]])


def find_side(claim: ClaimConfig, side: str, variants: Sequence[Variant]) -> list[Variant]:
    """Returns the variants that are the claim's `treatment` or `control`."""
    return [variant for variant in variants if variant.has(getattr(claim, side))]


def axis_value(variant: Variant, reduction: ReductionConfig) -> float | None:
    """Returns the variant's place on the axis, or None where that is no number."""
    try:
        value = variant.value_of(reduction.over)
    except KeyError:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _describe_no_match(wanted: Mapping[str, Scalar], variants: Sequence[Variant]) -> str:
    for key in wanted:
        values = dict.fromkeys(_value_or_absent(variant, key) for variant in variants)
        if not any(variant.has({key: wanted[key]}) for variant in variants):
            shown = ", ".join(map(str, list(values)[:8]))
            return f"no cell has {key} = {wanted[key]}; the cells have {shown}"
    return "no cell has all of these values at once"


def _value_or_absent(variant: Variant, key: str) -> Scalar:
    try:
        return variant.value_of(key)
    except KeyError:
        return "no such key"


def _find_axis_problems(
    reduction: ReductionConfig, side: str, found: Sequence[Variant]
) -> Iterator[ClaimProblem]:
    places = [axis_value(variant, reduction) for variant in found]
    path = ("reduction", "over")
    if None in places:
        yield ClaimProblem(path, f"{reduction.over} is not a number in every cell of the {side}")
        return
    numbers = [place for place in places if place is not None]
    twice = [place for place in numbers if numbers.count(place) > 1]
    if twice:
        reason = f"matches {len(found)} cells, some with the same {reduction.over}; name more keys"
        yield ClaimProblem((side,), reason)
    elif len(numbers) < 2:
        yield ClaimProblem(path, f"the {side} has one value of {reduction.over}; sweep it")
    elif reduction.scale != "linear" and min(numbers) <= 0:
        yield ClaimProblem(("reduction", "scale"), f"{min(numbers):g} has no logarithm")


def _find_selection_problems(
    claim: ClaimConfig, variants: Sequence[Variant]
) -> Iterator[ClaimProblem]:
    reduction = claim.reduction
    if reduction is None or reduction.name != "best" or not reduction.select_by.startswith("val"):
        return
    if any(variant.config.get("data.val_size") == 0 for variant in variants):
        reason = "is measured on validation images, and there are none; set data.val_size"
        yield ClaimProblem(("reduction", "select_by"), reason)
