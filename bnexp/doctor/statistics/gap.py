"""Evaluation far below what other statistics give: the gap between train and eval mode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.statistics import (
    cold,
    momentum_convention,
    non_finite,
    recalibration,
    stale,
    zero_momentum,
)
from bnexp.wording import format_percent

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "accuracy with the running statistics is far below that with precise or batch statistics"
CAUSE = (
    "in evaluation the network normalizes with other statistics than those it learned with; the "
    "other findings say why, and if there are none, the statistics are noisy"
)
FIX = "recalibrate (precise statistics), or train with a larger normalization batch or another norm"

_CAUSES = {
    "non-finite buffers": non_finite,
    "momentum 0": zero_momentum,
    "cold statistics": cold,
    "a momentum that keeps only the last batch": momentum_convention,
    "biased variances": recalibration,
    "statistics of other weights": stale,
}
"""What may be behind it, the most certain first."""

LEAST_POINTS = 0.01
"""A gap below one point is no gap."""


def find_tolerance(accuracy: float, images: int) -> float:
    """Returns the gap that chance explains: two standard errors, and at least one point."""
    return max(LEAST_POINTS, 2 * math.sqrt(accuracy * (1 - accuracy) / images))


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the three accuracies, and the cause of a gap between them."""
    scores = {kind: score.accuracy for kind, score in network.scores.items()}
    if network.held_out is None or len(scores) < 2 or not network.steps:
        return
    best = max(scores.values())
    tolerance = find_tolerance(best, len(network.held_out))
    evidence = (
        f"{format_percent(scores['ema'])} with running, {format_percent(scores['precise'])} with "
        f"precise, {format_percent(scores['batch'])} with batch statistics, on "
        f"{len(network.held_out):,} images"
    )
    if best - scores["ema"] <= tolerance:
        yield Finding("running, precise and batch statistics agree", evidence, "fine")
        return
    names, causes, fixes = [], [], []
    for name, check in _CAUSES.items():
        if any(found.is_wrong for found in check.check_network(network)):
            names.append(name)
            causes.append(check.CAUSE)
            fixes.append(check.FIX)
    if names:
        what = f"evaluation is below what the weights can do: {names[0]}"
        yield Finding(what, evidence, "error", cause=causes[0], fix=fixes[0])
    elif scores["precise"] - scores["ema"] > tolerance:
        yield Finding("evaluation is below what the weights can do", evidence, "error")
    else:
        yield Finding(
            "evaluation differs from training even with exact statistics",
            evidence,
            "error",
            cause="each image was normalized with few others in training, and the network learned "
            "with that noise, or to read its neighbours",
            fix="train with a larger normalization batch, batch_renorm or group norm, or evaluate "
            "with batch statistics",
        )
