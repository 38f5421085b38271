"""Running statistics that still hold some of their initial value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.statistics.non_finite import has_finite_statistics
from bnexp.doctor.subjects.setup import Setup
from bnexp.norms.batch_statistics import COLD_SHARE, BatchStatisticsConfig, compute_share_left
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "cold statistics: part of the running statistics is still their initial 0 and 1"
CAUSE = (
    "each step replaces only a share of them, the momentum; after too few steps evaluation "
    "normalizes with statistics that no image has"
)
FIX = (
    "train longer, raise the momentum, set momentum: null for the plain average, or evaluate with "
    "precise statistics (evaluate.population_statistics: [ema, precise])"
)


def describe_share(momentum: float, steps: int) -> str:
    """Returns how much of the initial statistics is left, in words."""
    share = compute_share_left(momentum, steps)
    left = f"{100 * share:.0f} % of the initial values is left"
    return f"{left} after {count(steps, 'step')} at momentum {momentum:g}"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the end of the training will leave of the initial values."""
    for norm in setup.norms:
        steps = setup.steps
        if not isinstance(norm, BatchStatisticsConfig) or not norm.tracks_population:
            continue
        if norm.momentum is None or steps is None:
            continue
        evidence = describe_share(norm.momentum, steps)
        if compute_share_left(norm.momentum, steps) > COLD_SHARE:
            what = "the running statistics will be cold"
            yield Finding(what, evidence, "warning", "model.norm.momentum")
        else:
            yield Finding("the running statistics will be warm", evidence, "fine")


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the norms that have seen too few batches."""
    if not network.steps:
        return
    cold: dict[str, list[str]] = {}
    norms = {
        name: norm for name, norm in network.tracking_norms.items() if has_finite_statistics(norm)
    }
    for name, norm in norms.items():
        counter = getattr(norm, "num_batches_tracked", None)
        steps = network.steps if counter is None else int(counter)
        momentum = getattr(norm, "momentum", None)
        if momentum and compute_share_left(momentum, steps) > COLD_SHARE:
            cold.setdefault(describe_share(momentum, steps), []).append(name)
    for evidence, names in cold.items():
        yield Finding("the running statistics are cold", evidence, "warning", name_some(names))
    if norms and not cold:
        yield Finding("the running statistics are warm", severity="fine")
