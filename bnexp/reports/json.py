"""The comparison as JSON: the contract that scripts read; keys are added, never renamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from bnexp.analysis.results import (
    CellResult,
    ClaimResult,
    ClaimSide,
    Comparison,
    Difference,
    EpochsToTarget,
)
from bnexp.reports.words.claims import describe_measure
from bnexp.reports.words.headings import join_choices


def render_json(comparison: Comparison) -> str:
    """Returns one JSON object; a figure that doesn't exist is null, never NaN."""
    return _write(_comparison(comparison))


def render_json_by(key: str, *comparisons: Comparison) -> str:
    """Returns one JSON object with the key that the runs were divided by, and a list."""
    return _write({"by": key, "comparisons": [_comparison(part) for part in comparisons]})


def _write(document: dict[str, Any]) -> str:
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "experiment": comparison.experiment,
        "metric": comparison.metric,
        "baseline": comparison.baseline,
        "target": comparison.target,
        "margin": comparison.margin,
        "where": {key: join_choices(values) for key, values in comparison.where.items()},
        "swept": list(comparison.swept),
        "differing": list(comparison.differing),
        "cells": [_cell(cell) for cell in comparison.cells],
        "claims": [_claim(claim) for claim in comparison.claims],
        "warnings": [caveat.text for caveat in comparison.caveats],
        "caveats": [asdict(caveat) for caveat in comparison.caveats],
    }


def _cell(cell: CellResult) -> dict[str, Any]:
    return {
        "cell": cell.cell,
        "settings": dict(cell.settings),
        "n": cell.n,
        "mean": cell.mean,
        "std": cell.std,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        "values": _by_seed(cell.values),
        "difference": _difference(cell.difference),
        "statuses": dict(cell.statuses),
        "damaged": cell.damaged,
        "silent": cell.silent,
        "divergence": asdict(cell.divergence) if cell.divergence else None,
        "epochs_to_target": _epochs(cell.epochs_to_target),
        "train_test_gap": cell.train_test_gap,
        "images_per_second": cell.images_per_second,
        "elapsed_seconds": cell.elapsed_seconds,
        "peak_memory_bytes": cell.peak_memory_bytes,
        "parameters": cell.parameters,
    }


def _epochs(epochs: EpochsToTarget | None) -> dict[str, Any] | None:
    if epochs is None:
        return None
    steps = epochs.median_steps, epochs.restricted_mean_steps
    return {**asdict(epochs), "median_steps": steps[0], "restricted_mean_steps": steps[1]}


def _difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "mean": difference.mean,
        "ci_low": difference.ci_low,
        "ci_high": difference.ci_high,
        "p": difference.p,
        "p_holm": difference.p_holm,
        "p_equivalence": difference.p_equivalence,
        "verdict": difference.verdict,
        "is_paired": difference.is_paired,
        "n": difference.n,
        "values": _by_seed(difference.by_seed),
        "changed": list(difference.changed),
        "confounds": list(difference.confounds),
        "unchecked": difference.unchecked,
        "smallest_detectable": difference.smallest_detectable,
        "seeds_needed": difference.seeds_needed,
    }


def _claim(result: ClaimResult) -> dict[str, Any]:
    claim, test = result.claim, result.test
    return {
        "statement": claim.statement,
        "source": claim.source,
        "verdict": result.verdict,
        "reason": result.obstacle.text if result.obstacle else None,
        "obstacle": asdict(result.obstacle) if result.obstacle else None,
        "measure": describe_measure(claim),
        "metric": claim.metric,
        "reduction": claim.reduction.name if claim.reduction else None,
        "direction": claim.direction,
        "margin": claim.margin,
        "treatment": _side(result.treatment),
        "control": _side(result.control),
        "mean": test.mean if test else None,
        "ci_low": test.ci_low if test else None,
        "ci_high": test.ci_high if test else None,
        "p": test.p if test else None,
        "p_holm": result.p_holm,
        "p_equivalence": result.p_equivalence,
        "test": test.name if test else None,
        "n": test.n if test else 0,
        "is_paired": test is not None and test.is_paired,
        "values": _by_seed(test.by_seed if test else {}),
        "seeds_needed": result.seeds_needed,
        "also_differ": list(result.also_differ),
        "caveats": [asdict(caveat) for caveat in result.caveats],
    }


def _side(side: ClaimSide) -> dict[str, Any]:
    return {
        "cells": list(side.cells),
        "mean": side.mean,
        "values": _by_seed(side.values),
        "statuses": dict(side.statuses),
        "axis_value": side.axis_value,
    }


def _by_seed(values: Mapping[int, float]) -> dict[str, float]:
    return {str(seed): value for seed, value in values.items()}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not isfinite(value) else value
