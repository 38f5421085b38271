"""Which cells of an experiment a claim is about, and whether they can answer it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel

from bnexp.config.claim.config import TO_TARGET, ClaimConfig, ReductionConfig
from bnexp.config.finding import Finding
from bnexp.diagnostics import DIAGNOSTICS
from bnexp.errors import did_you_mean
from bnexp.foreign_text import shorten
from bnexp.parts import part_name
from bnexp.runs.measured.diagnostic_tags import WHOLE, has_pattern, is_diagnostic, split_diagnostic
from bnexp.runs.record import EVALUATED, Scalar, find_value, flatten

_ABSENT = "no such key"
"""What is shown for the value of a key that a cell lacks."""


@dataclass(frozen=True)
class Variant:
    """A cell as a claim sees it: its name, swept settings, and flattened config."""

    name: str
    settings: Mapping[str, Scalar]
    config: Mapping[str, Scalar]

    @classmethod
    def read(
        cls, config: BaseModel, name: str = "", settings: Mapping[str, Scalar] | None = None
    ) -> Variant:
        """Returns the cell of a whole config."""
        whole = flatten(config.model_dump(mode="json", exclude={"claim"}))
        return cls(name, settings or {}, whole)

    def is_on_a_side(self, claim: ClaimConfig) -> bool:
        """Whether the claim is about it."""
        return any(self.has(side) for case in find_cases(claim) for side in case.sides.values())

    def has(self, wanted: Mapping[str, Scalar]) -> bool:
        """Whether the variant has all of these values; 1 and 1.0 are the same."""
        return all(self._has_one(key, value) for key, value in wanted.items())

    def find(self, key: str) -> Scalar:
        """Returns the value of a key; None if the cell does not have it."""
        return find_value(key, self.settings, self.config)

    def _has_one(self, key: str, wanted: Scalar) -> bool:
        own = find_value(key, self.settings, self.config, default=_ABSENT)
        return own is not _ABSENT and _is_same(own, wanted)


@dataclass(frozen=True)
class Case:
    """One pair of sides that a claim is about; most claims have just one."""

    treatment: Mapping[str, Scalar]
    """What the treatment's cells have, key by key."""
    control: Mapping[str, Scalar] | None
    """What the control's have; None if the claim is about a number."""
    choice: Mapping[str, Scalar]
    """What tells the case from the others: the values of `each` and of lists; empty for one."""

    @property
    def sides(self) -> dict[str, Mapping[str, Scalar]]:
        """The sides that are cells."""
        control = {} if self.control is None else {"control": self.control}
        return {"treatment": self.treatment, **control}


def find_cases(claim: ClaimConfig) -> tuple[Case, ...]:
    """Returns each pair of sides: every combination of the values that `each` and lists name."""
    shared = claim.each or {}
    lists = {key: value for key, value in claim.treatment.items() if isinstance(value, tuple)}
    fixed = {key: value for key, value in claim.treatment.items() if not isinstance(value, tuple)}
    axes = {**shared, **lists}
    cases = []
    for values in itertools.product(*axes.values()):
        choice: dict[str, Scalar] = dict(zip(axes, values, strict=True))
        both = {key: choice[key] for key in shared}
        control = {**claim.control, **both} if isinstance(claim.control, dict) else None
        cases.append(Case({**fixed, **choice}, control, choice))
    return tuple(cases)


def find_named_keys(claim: ClaimConfig) -> frozenset[str]:
    """Returns the keys in which the claim's sides may differ: all that it speaks of."""
    control = claim.control if isinstance(claim.control, dict) else {}
    axis = () if claim.reduction is None else (claim.reduction.over,)
    return frozenset((*claim.treatment, *control, *(claim.each or ()), *claim.allow, *axis))


def find_claim_problems(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    """Yields what keeps the experiment's cells from answering the claim, at paths below it.

    Each side must be one cell, or with a reduction one cell for each value of its axis,
    and no cell may be on both sides.
    """
    found = dict.fromkeys(
        finding for case in find_cases(claim) for finding in _find_in(claim, case, variants)
    )
    yield from found


def leave_out_included(
    claim: ClaimConfig, variants: Sequence[Variant], included: Collection[str]
) -> ClaimConfig:
    """Returns the claim with sides that cells of `sweep.include` have only if it names them.

    A side that matches cells of the grid and the zip, and beside them included ones, means the
    former: it gets those values that all of them share and the included ones have not. A claim
    that can be answered as it is written, or not even so, is returned as it is.
    """
    if not any(find_claim_problems(claim, variants)):
        return claim
    named = {*(claim.each or ()), *([claim.reduction.over] if claim.reduction else ())}
    sides: dict[str, dict[str, Scalar]] = {}
    for case in find_cases(claim):
        for side, wanted in case.sides.items():
            found = _find_variants(wanted, variants)
            meant = [variant for variant in found if variant.name not in included]
            others = [variant for variant in found if variant.name in included]
            shared = _find_shared(meant)
            sides.setdefault(side, {}).update(
                (key, value)
                for key, value in shared.items()
                if key not in named
                and not all(_is_same(one.settings[key], value) for one in others)
            )
    fixed = claim.model_copy(
        update={side: {**getattr(claim, side), **more} for side, more in sides.items()}
    )
    return claim if any(find_claim_problems(fixed, variants)) else fixed


def _find_shared(variants: Sequence[Variant]) -> dict[str, Scalar]:
    """Returns the settings that all of the variants have."""
    first = variants[0].settings if variants else {}
    return {
        key: value
        for key, value in first.items()
        if all(_is_same(one.settings[key], value) for one in variants)
    }


def find_seed_problems(
    claim: ClaimConfig, seeds: Sequence[int], first_look: int
) -> Iterator[Finding]:
    """Yields seeds that are to choose axis values and are not among those of the first look."""
    tuning = (claim.reduction and claim.reduction.tuning_seeds) or ()
    missing = [seed for seed in tuning if seed not in seeds]
    late = [seed for seed in tuning if seed in seeds[first_look:]]
    path = ("reduction", "tuning_seeds")
    if missing:
        reason = f"seed {missing[0]} is not among the sweep's seeds; these choose, the others count"
        yield Finding(path, reason)
    elif late:
        reason = f"seed {late[0]} comes after the first look, which takes the first {first_look}"
        yield Finding(path, f"{reason}; the choice must stand before it")
    elif len({*tuning}) < len(tuning):
        yield Finding(path, "the same seed is listed twice")


def _find_in(claim: ClaimConfig, case: Case, variants: Sequence[Variant]) -> Iterator[Finding]:
    wanted = case.sides
    sides = {side: _find_variants(one, variants) for side, one in wanted.items()}
    for side, found in sides.items():
        if not found:
            path = _find_place(claim, side, wanted[side], variants)
            yield Finding(path, _describe_no_match(wanted[side], variants))
        elif claim.reduction is not None:
            yield from _find_axis_problems(claim.reduction, side, found)
        elif len(found) > 1:
            names = ", ".join(variant.name for variant in found[:4])
            reason = f"matches {len(found)} cells ({names}); name more keys, or give a reduction"
            yield Finding((side,), reason)
    if claim.reduction is not None and len(sides) > 1 and all(sides.values()):
        yield from find_axis_mismatch(claim.reduction, sides)
    both = [variant.name for variant in sides["treatment"] if variant in sides.get("control", ())]
    if both:
        yield Finding(("control",), f"cell {both[0]} is in the treatment too")
    members = [one for found in sides.values() for one in found]
    yield from _find_selection_problems(claim, members)
    yield from _find_unmeasured(claim, members)


def _find_place(
    claim: ClaimConfig, side: str, wanted: Mapping[str, Scalar], variants: Sequence[Variant]
) -> tuple[str, ...]:
    """Returns where the claim names a value that no cell has."""
    for key, value in wanted.items():
        if not any(variant.has({key: value}) for variant in variants) and key in (claim.each or ()):
            return "each", key
    return (side,)


def _find_variants(wanted: Mapping[str, Scalar], variants: Sequence[Variant]) -> list[Variant]:
    return [variant for variant in variants if variant.has(wanted)]


def axis_value(variant: Variant, reduction: ReductionConfig) -> float | None:
    """Returns the variant's place on the axis, or None if that is not a number."""
    value = find_value(reduction.over, variant.settings, variant.config)
    if reduction.name == "contrast":
        places = {1.0: reduction.value, -1.0: reduction.minus}
        return next((place for place, own in places.items() if _is_same(own, value)), None)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _is_same(own: Scalar, wanted: Scalar) -> bool:
    return isinstance(own, bool) == isinstance(wanted, bool) and own == wanted


def _describe_no_match(wanted: Mapping[str, Scalar], variants: Sequence[Variant]) -> str:
    for key in wanted:
        values = dict.fromkeys(
            find_value(key, variant.settings, variant.config, default=_ABSENT)
            for variant in variants
        )
        if {*values} == {_ABSENT}:
            known_keys = {name for one in variants for name in (*one.settings, *one.config)}
            return f"no cell has the key {shorten(key)}{did_you_mean(key, sorted(known_keys))}"
        if not any(variant.has({key: wanted[key]}) for variant in variants):
            wished, *known = (shorten(str(value)) for value in (wanted[key], *list(values)[:8]))
            return f"no cell has {key} = {wished}; the cells have {', '.join(known)}"
    return "no cell has all of these values at once"


def _find_axis_problems(
    reduction: ReductionConfig, side: str, found: Sequence[Variant]
) -> Iterator[Finding]:
    places = [axis_value(variant, reduction) for variant in found]
    path = ("reduction", "over")
    if reduction.name == "contrast":
        yield from _find_contrast_problems(reduction, side, places)
        return
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


def _find_contrast_problems(
    reduction: ReductionConfig, side: str, places: Sequence[float | None]
) -> Iterator[Finding]:
    for field, place in (("value", 1.0), ("minus", -1.0)):
        count = places.count(place)
        if count != 1:
            wanted = shorten(str(getattr(reduction, field)))
            reason = f"{count or 'no'} cells of the {side} have {reduction.over} = {wanted}"
            yield Finding(("reduction", field), f"{reason}; one must")


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
    needed = {
        ("reduction", "select_by"): claim.is_choosing,
        ("metric",): any(tag.startswith("val") for tag in claim.tags),
    }
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


def _find_unmeasured(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    """Finds what the claim is about and a cell of its sides does not measure."""
    yield from _find_unevaluated(claim, variants)
    yield from _find_late_epoch(claim, variants)
    for tag in filter(is_diagnostic, claim.tags):
        quantity, layer = split_diagnostic(tag)
        known = {found: part_name(one) for one in DIAGNOSTICS for found in one.list_quantities()}
        diagnostic = known.get(quantity)
        if diagnostic is None:
            hint = did_you_mean(quantity, list(known))
            yield Finding(("metric",), f"no diagnostic measures '{quantity}'{hint}")
            continue
        for variant in variants:
            patterns = _find_measured_layers(variant, diagnostic)
            if patterns is None:
                reason = f"{variant.name} does not measure {quantity}; add {diagnostic} to its"
                yield Finding(("metric",), f"{reason} `diagnostics:`")
                break
            is_one = layer not in ("", WHOLE) and not has_pattern(tag)
            if patterns and is_one and not any(fnmatchcase(layer, one) for one in patterns):
                reason = f"{diagnostic} measures only the layers {', '.join(patterns)}"
                yield Finding(("metric",), f"{reason}; '{layer}' is none of them")
                break


def _find_unevaluated(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    """Finds cells that are not evaluated when the claim asks for a figure of evaluation."""
    is_evaluated = any(tag.startswith(EVALUATED) for tag in claim.tags)
    path = ("metric",) if claim.metric in TO_TARGET else ("at",)
    if claim.metric not in TO_TARGET and not (claim.at and is_evaluated):
        return
    for variant in variants:
        if variant.config.get("evaluate.after") == "last_epoch":
            reason = f"{variant.name} is evaluated only after its last epoch"
            yield Finding(path, f"{reason}; give it evaluate.after: each_epoch")
            return


def _find_late_epoch(claim: ClaimConfig, variants: Sequence[Variant]) -> Iterator[Finding]:
    """Finds a cell that is not trained up to the epoch that the claim is about."""
    for variant in variants:
        epochs = variant.config.get("train.epochs")
        if claim.at and isinstance(epochs, int) and claim.at.epoch > epochs:
            reason = f"epoch {claim.at.epoch} comes after the last one of {variant.name}, {epochs}"
            yield Finding(("at", "epoch"), f"{reason}; set train.epochs to it or more")
            return


def _find_measured_layers(variant: Variant, diagnostic: str) -> list[str] | None:
    """Returns the patterns of the layers of a diagnostic, none for all; None if it is not there."""
    for key, value in variant.config.items():
        root, _, end = key.rpartition(".")
        if root.startswith("diagnostics.") and end == "name" and value == diagnostic:
            return [
                str(one)
                for name, one in variant.config.items()
                if name.startswith(f"{root}.layers.")
            ]
    return None
