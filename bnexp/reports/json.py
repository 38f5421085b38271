"""The comparison as JSON: the contract that scripts read; keys are added, never renamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from bnexp.analysis.results import (
    Caveat,
    CellResult,
    ClaimLook,
    ClaimPart,
    ClaimResult,
    ClaimSide,
    ClaimTest,
    Comparison,
    Difference,
    Divergence,
    EpochsToTarget,
    TunedCells,
)
from bnexp.reports.words.claims import describe_measure
from bnexp.reports.words.headings import join_choices

_KEYS: Mapping[type, str] = {
    Comparison: (
        "experiment metric baseline target margin where swept differing cells claims warnings "
        "caveats tunings"
    ),
    CellResult: (
        "cell settings n mean std ci_low ci_high values difference statuses damaged silent "
        "divergence epochs_to_target train_test_gap images_per_second elapsed_seconds "
        "speed_obstacle training_memory_bytes peak_memory_bytes parameters"
    ),
    EpochsToTarget: (
        "median is_censored reached n restricted_mean horizon steps_per_epoch median_steps "
        "restricted_mean_steps"
    ),
    Difference: (
        "mean ci_low ci_high p p_holm p_equivalence verdict is_paired n values changed confounds "
        "unchecked smallest_detectable seeds_needed"
    ),
    ClaimResult: (
        "statement source verdict reason obstacle measure metric reduction direction margin "
        "treatment control mean ci_low ci_high p p_holm p_equivalence test n is_paired values "
        "seeds_needed also_differ caveats standing would_be look published cases "
        "probability_higher"
    ),
    ClaimSide: "cells mean values statuses axis_value axis_values",
    ClaimPart: ("choice treatment control mean ci_low ci_high p test n values probability_higher"),
    ClaimLook: "seeds most looks choosing",
}
"""The keys of each part in their order; most are named like the attribute that they show."""


def render_json(comparison: Comparison) -> str:
    """Returns one JSON object; a figure that doesn't exist is null, never NaN."""
    return write_json(comparison)


def render_json_by(key: str, *comparisons: Comparison) -> str:
    """Returns one JSON object with the key that the runs were divided by, and a list."""
    return write_json({"by": key, "comparisons": comparisons})


def write_json(document: object) -> str:
    """Returns JSON of parts of a comparison, and of plain values that hold them."""
    return json.dumps(_convert(document), indent=2, allow_nan=False) + "\n"


def _convert(value: Any) -> Any:  # noqa: ANN401 - any part of a comparison, and any JSON
    """Returns the value as objects, lists, texts and finite numbers."""
    if type(value) in _KEYS:
        other = _other_keys(value)
        names = _KEYS[type(value)].split()
        value = {name: other[name] if name in other else getattr(value, name) for name in names}
    elif isinstance(value, Caveat | Divergence | TunedCells):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _convert(child) for key, child in value.items()}
    if isinstance(value, tuple):
        return [_convert(child) for child in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _other_keys(part: object) -> dict[str, Any]:
    """Returns the values of keys that are not named like an attribute of the part."""
    match part:
        case Comparison():
            where = {key: join_choices(values) for key, values in part.where.items()}
            return {"where": where, "warnings": tuple(found.text for found in part.caveats)}
        case Difference():
            return {"values": part.by_seed}
        case ClaimResult():
            return _claim_keys(part)
        case ClaimSide():
            return {"axis_value": part.axis_values[0] if part.axis_values else None}
        case ClaimPart():
            return _test_keys(part.test)
    return {}


def _claim_keys(result: ClaimResult) -> dict[str, Any]:
    claim, test = result.claim, result.test
    stated = ("statement", "source", "metric", "direction", "margin")
    published = claim.published
    return {
        **{name: getattr(claim, name) for name in stated},
        "reason": result.obstacle.text if result.obstacle else None,
        "measure": describe_measure(claim),
        "reduction": claim.reduction.name if claim.reduction else None,
        **_test_keys(test),
        "is_paired": test is not None and test.is_paired,
        "published": published.model_dump() if published else None,
        "cases": result.parts if len(result.parts) > 1 else (),
        "probability_higher": result.parts[0].probability_higher,
    }


def _test_keys(test: ClaimTest | None) -> dict[str, Any]:
    tested = ("mean", "ci_low", "ci_high", "p")
    return {
        **{name: getattr(test, name, None) for name in tested},
        "test": test.name if test else None,
        "n": test.n if test else 0,
        "values": test.by_seed if test else {},
    }
