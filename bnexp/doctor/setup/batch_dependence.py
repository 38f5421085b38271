"""Scores that depend on which images share an evaluation batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "in evaluation, the score of an image depends on the others of its batch"
CAUSE = (
    "track_running_stats=False keeps no running statistics, so that eval mode normalizes with "
    "those of each batch; another order or size of the batches gives other scores"
)
FIX = "set track_running_stats: true, or use a norm of single images, e.g. group"

LARGEST_DIFFERENCE = 1e-3
"""Of logits, in their standard deviation; rounding stays far below."""


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields the norms without statistics to evaluate with."""
    names = dict.fromkeys(norm.name for norm in setup.norms if not norm.evaluates_images_alone)
    for name in names:
        evidence = f"{name} norm evaluates each batch with its own statistics"
        yield Finding("evaluation depends on the batch", evidence, "warning", "model.norm")


def measure_difference(network: Network) -> float | None:
    """Returns by how much logits change at most if a batch is halved and turned around.

    In standard deviations of the logits; None if they are not finite.
    """
    import torch

    from bnexp.diagnostics.probe import leaving_no_trace

    inputs = network.batch[0]
    with leaving_no_trace(network.model), torch.no_grad():
        network.model.eval()
        whole = network.model(inputs).double()
        half = max(1, len(inputs) // 2)
        parts = [network.model(part) for part in (inputs.flip(0)[:half], inputs.flip(0)[half:])]
    turned = torch.cat([part for part in parts if len(part)]).flip(0).double()
    spread = float(whole.std(correction=0))
    difference = float((whole - turned).abs().max())
    if not math.isfinite(difference):
        return None
    return difference / spread if spread > 0 else 0.0


def check_network(network: Network) -> Iterator[Finding]:
    """Yields by how much the scores of a batch change in other company."""
    if len(network.batch[0]) < 4:
        return
    difference = measure_difference(network)
    if difference is None:
        return
    evidence = (
        f"in batches of half the size, in reverse order, logits change by {difference:.2g} of "
        "their standard deviation"
    )
    if difference > LARGEST_DIFFERENCE:
        yield Finding("evaluation depends on the batch", evidence, "warning")
    else:
        yield Finding("evaluation does not depend on the batch", evidence, "fine")
