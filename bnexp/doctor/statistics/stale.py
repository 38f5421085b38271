"""Statistics of other weights than the network has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.statistics.non_finite import has_finite_statistics
from bnexp.doctor.statistics.recalibration import compute_ratio, compute_shift, is_biased
from bnexp.wording import name_some

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "stale statistics: the running statistics are not those of these weights"
CAUSE = (
    "the weights changed after the statistics were gathered: they were averaged (EMA, SWA), edited "
    "or pruned, or moved fast until the end, at a learning rate that was not annealed"
)
FIX = (
    "recalibrate: pass training images through the network in train mode with momentum: null, or "
    "evaluate with precise statistics; anneal the learning rate"
)

LARGEST_SHIFT = 0.5
"""Of a layer's median channel, in standard deviations."""
LARGEST_FACTOR = 2.0
"""Between the running variance of a layer's median channel and the true one."""


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the layers whose running statistics are far from those of the training images."""
    if not network.steps or not network.tracking_norms:
        return
    found = {}
    measured = {}
    for name, (mean, variance) in network.true_statistics.items():
        norm, values = network.tracking_norms[name], network.count_values(name)
        if not has_finite_statistics(norm):
            continue
        ratio = compute_ratio(norm.running_var, variance)  # type: ignore[arg-type]
        shift = compute_shift(getattr(norm, "running_mean", None), mean, variance)
        if network.averages_biased_variances(name) and values and values > 1:
            ratio *= values / (values - 1)
        factor = max(ratio, 1 / ratio) if ratio > 0 else float("inf")
        measured[name] = shift, factor
        is_far = shift > LARGEST_SHIFT or not factor <= LARGEST_FACTOR
        if is_far and not (values and is_biased(ratio, shift, values)):
            found[name] = shift, factor
    if not measured:
        return
    worst = max(found or measured, key=lambda name: max((found or measured)[name]))
    shift, factor = measured[worst]
    evidence = (
        f"in {worst}, means are off by {shift:.2g} standard deviations and variances by a factor "
        f"of {factor:.3g} (median channel), against {len(network.images):,} training images"
    )
    if found:
        yield Finding(
            "running statistics are not those of these weights", evidence, "error", name_some(found)
        )
    else:
        yield Finding("running statistics are those of these weights", evidence, "fine")
