"""A checkpoint that does not score what its run recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import format_percent

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "the checkpoint does not score what its run recorded"
CAUSE = (
    "the code or the data have changed since, or the weights are those of another moment than the "
    "recorded figures"
)
FIX = "compare the versions in environment.json with those here; train the run again if in doubt"

LARGEST_DIFFERENCE = 0.002
"""Of accuracies: another device or thread count flips an image here and there."""


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the accuracy that was recorded and the one measured now."""
    if network.recorded_accuracy is None or "ema" not in network.scores:
        return
    recorded, now = network.recorded_accuracy, network.scores["ema"].accuracy
    evidence = f"{format_percent(recorded)} recorded, {format_percent(now)} now"
    if abs(recorded - now) > LARGEST_DIFFERENCE:
        yield Finding("the checkpoint scores otherwise than recorded", evidence, "warning")
    else:
        yield Finding("the checkpoint scores what was recorded", evidence, "fine")
