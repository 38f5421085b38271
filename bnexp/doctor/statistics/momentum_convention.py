"""A momentum in the convention of other frameworks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup
from bnexp.norms.batch_statistics import LARGEST_MOMENTUM, BatchStatisticsConfig
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "the momentum is above 0.5: the other convention's, in which it weighs the old value"
CAUSE = (
    "momentum is the weight of the new batch here and in PyTorch; in papers, Keras and flax it is "
    "that of the old value, and their 0.9 is 0.1 here; the statistics then see only the last batch"
)
FIX = "if it comes from such a code, write 1 − momentum: 0.1 for 0.9; otherwise, try 0.1"


def compute_horizon(momentum: float) -> int:
    """Returns how many of the last steps have 95 % of the weight in the running statistics."""
    return 1 if momentum >= 1 else math.ceil(math.log(0.05) / math.log(1 - momentum))


def describe_horizon(momentum: float) -> str:
    """Returns which steps the running statistics are of."""
    steps = compute_horizon(momentum)
    last = "the last step has" if steps == 1 else f"the last {steps} steps have"
    return f"at momentum {momentum:g}, {last} 95 % of the weight"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields the horizon of each norm's average."""
    norms = [norm for norm in setup.norms if isinstance(norm, BatchStatisticsConfig)]
    for momentum in dict.fromkeys(norm.momentum for norm in norms if norm.tracks_population):
        if momentum is not None:
            yield _judge(momentum, "model.norm.momentum")


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the horizon of each momentum, with the layers that have one of the other kind."""
    by_momentum: dict[float, list[str]] = {}
    for name, norm in network.tracking_norms.items():
        if momentum := getattr(norm, "momentum", None):
            by_momentum.setdefault(momentum, []).append(name)
    for momentum, names in by_momentum.items():
        yield _judge(momentum, name_some(names))


def _judge(momentum: float, place: str) -> Finding:
    evidence = describe_horizon(momentum)
    if momentum > LARGEST_MOMENTUM:
        return Finding(
            "the momentum is probably of the other convention", evidence, "warning", place
        )
    return Finding("horizon of the running statistics", evidence, "fine")
