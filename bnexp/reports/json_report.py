"""The comparison as JSON: the contract that scripts read; keys are added, never renamed."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from bnexp.analysis.results import CellResult, Comparison, Difference


def render_json(comparison: Comparison) -> str:
    """Returns one JSON object; a figure that doesn't exist is null, never NaN."""
    document = {
        "experiment": comparison.experiment,
        "metric": comparison.metric,
        "baseline": comparison.baseline,
        "target": comparison.target,
        "swept": list(comparison.swept),
        "differing": list(comparison.differing),
        "cells": [_cell(cell) for cell in comparison.cells],
        "claims": list(comparison.claims),
        "warnings": list(comparison.warnings),
    }
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def _cell(cell: CellResult) -> dict[str, Any]:
    return {
        "cell": cell.cell,
        "settings": dict(cell.settings),
        "n": cell.n,
        "mean": cell.mean,
        "std": cell.std,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        "values": {str(seed): value for seed, value in cell.values.items()},
        "difference": _difference(cell.difference),
        "statuses": dict(cell.statuses),
        "epochs_to_target": asdict(cell.epochs_to_target) if cell.epochs_to_target else None,
        "train_test_gap": cell.train_test_gap,
        "images_per_second": cell.images_per_second,
    }


def _difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "mean": difference.mean,
        "ci_low": difference.ci_low,
        "ci_high": difference.ci_high,
        "p": difference.p,
        "p_holm": difference.p_holm,
        "verdict": difference.verdict,
        "is_paired": difference.is_paired,
        "n": difference.n,
        "values": {str(seed): value for seed, value in difference.by_seed.items()},
        "confounds": list(difference.confounds),
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not isfinite(value) else value
