"""Which cells of an experiment a claim is about, and whether they can answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnexp.config.claim.config import ClaimConfig, ReductionConfig
from bnexp.config.finding import Finding
from bnexp.foreign_text import shorten
from bnexp.runs.record import Scalar, find_value

_ABSENT = "no such key"
"""What is shown for the value of a key that a cell lacks."""


@dataclass(frozen=True)
class Variant:
    """A cell as a claim sees it: its name, swept settings, and flattened config."""

    name: str
    settings: Mapping[str, Scalar]
    config: Mapping[str, Scalar]

    def has(self, wanted: Mapping[str, Scalar]) -> bool:
        """Whether the variant has all of these values; 1 and 1.0 are the same."""
        return all(self._has_one(key, value) for key, value in wanted.items())

    def _has_one(self, key: str, wanted: Scalar) -> bool:
        own = find_value(key, self.settings, self.config, default=_ABSENT)
        return (
            own is not _ABSENT
            and isinstance(own, bool) == isinstance(wanted, bool)
            and own == wanted
        )


def find_claim_problems(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    """Yields what keeps the experiment's cells from answering the claim, at paths below it.

    Each side must be one cell, or with a reduction one cell for each value of its axis,
    and no cell may be on both sides.
    """
    sides = {side: find_side(claim, side, variants) for side in ("treatment", "control")}
    for side, found in sides.items():
        if not found:
            yield Finding((side,), _describe_no_match(getattr(claim, side), variants))
        elif claim.reduction is not None:
            yield from _find_axis_problems(claim.reduction, side, found)
        elif len(found) > 1:
            names = ", ".join(variant.name for variant in found[:4])
            reason = f"matches {len(found)} cells ({names}); name more keys, or give a reduction"
            yield Finding((side,), reason)
    if claim.reduction is not None and all(sides.values()):
        yield from find_axis_mismatch(claim.reduction, sides)
    both = [variant.name for variant in sides["treatment"] if variant in sides["control"]]
    if both:
        yield Finding(("control",), f"cell {both[0]} is in the treatment too")
    yield from _find_selection_problems(claim, [*sides["treatment"], *sides["control"]])


def find_side(claim: ClaimConfig, side: str, variants: Sequence[Variant]) -> list[Variant]:
    """Returns the variants that are the claim's `treatment` or `control`."""
    return [variant for variant in variants if variant.has(getattr(claim, side))]


def axis_value(variant: Variant, reduction: ReductionConfig) -> float | None:
    """Returns the variant's place on the axis, or None if that is not a number."""
    value = find_value(reduction.over, variant.settings, variant.config)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _describe_no_match(wanted: Mapping[str, Scalar], variants: Sequence[Variant]) -> str:
    for key in wanted:
        values = dict.fromkeys(
            find_value(key, variant.settings, variant.config, default=_ABSENT)
            for variant in variants
        )
        if not any(variant.has({key: wanted[key]}) for variant in variants):
            wished, *known = (shorten(str(value)) for value in (wanted[key], *list(values)[:8]))
            return f"no cell has {key} = {wished}; the cells have {', '.join(known)}"
    return "no cell has all of these values at once"


def _find_axis_problems(
    reduction: ReductionConfig, side: str, found: Sequence[Variant]
) -> Iterator[Finding]:
    places = [axis_value(variant, reduction) for variant in found]
    path = ("reduction", "over")
    if None in places:
        yield Finding(path, f"{reduction.over} is not a number in every cell of the {side}")
        return
    numbers = [place for place in places if place is not None]
    twice = [place for place in numbers if numbers.count(place) > 1]
    if twice:
        reason = f"matches {len(found)} cells, some of them with the same {reduction.over}"
        yield Finding((side,), f"{reason}; name more keys")
    elif len(numbers) < 2:
        yield Finding(path, f"the {side} has one value of {reduction.over}; sweep it")
    elif reduction.scale != "linear" and min(numbers) <= 0:
        yield Finding(("reduction", "scale"), f"{min(numbers):g} has no logarithm")


def find_axis_mismatch(
    reduction: ReductionConfig, sides: Mapping[str, Sequence[Variant]]
) -> Iterator[Finding]:
    """Yields what makes the two sides' axes unequal, which would favour one of them.

    `best` takes as many values on each side, since each may be tuned over a range of its
    own; every other reduction takes the same ones.
    """
    places = {
        side: sorted({place for one in found if (place := axis_value(one, reduction)) is not None})
        for side, found in sides.items()
    }
    treatment, control = places["treatment"], places["control"]
    if reduction.name == "best" and len(treatment) != len(control):
        reason = f"{len(treatment)} values in the treatment and {len(control)} in the control"
        yield Finding(("reduction", "over"), f"{reason}: a longer axis has a better best one")
    elif reduction.name != "best" and treatment != control:
        shown = [", ".join(f"{place:g}" for place in found) for found in (treatment, control)]
        reason = f"the treatment has {shown[0]}, the control {shown[1]}; give both the same values"
        yield Finding(("reduction", "over"), reason)


def _find_selection_problems(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    reduction = claim.reduction
    is_chosen = reduction is not None and reduction.name == "best"
    needed = {("reduction", "select_by"): is_chosen, ("metric",): claim.metric.startswith("val")}
    # Whether an image folder has a val/ is known only when it is read.
    has_none = any(
        variant.config.get("data.val_size") == 0
        and variant.config.get("data.name") != "image_folder"
        for variant in variants
    )
    for path, is_needed in needed.items():
        if is_needed and has_none:
            reason = "is measured on validation images, and there are none; set data.val_size"
            yield Finding(path, reason)
