"""A running variance that averages the biased variances of small batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.wording import name_some

if TYPE_CHECKING:
    from torch import Tensor

    from bnexp.doctor.subjects.network import Network

PROBLEM = "the running variance is too small by (n − 1) / n: recalibrated, or ported, the wrong way"
CAUSE = (
    "somebody averaged the biased variances of small batches (at batch 2 that gives half the true "
    "variance), or loaded statistics of a framework that does (Keras, flax)"
)
FIX = "recompute it from sums and sums of squares over all images, as precise statistics are"

_CLOSE = 0.1
"""How far the measured ratio may be from (n − 1) / n, as a share of it."""
_SHIFT = 0.2
"""How far, in standard deviations, the means may be off: beyond, the weights have changed."""
_LARGEST_RATIO = 0.9
"""Above it, the difference is too small to matter or to be told from noise."""


def compute_ratio(running_var: Tensor, true_var: Tensor) -> float:
    """Returns the median over channels of the running variance over the true one."""
    is_used = true_var > 0
    return float((running_var[is_used] / true_var[is_used]).median()) if is_used.any() else 1.0


def compute_shift(running_mean: Tensor | None, mean: Tensor | None, variance: Tensor) -> float:
    """Returns the median over channels of how far the mean is off, in standard deviations.

    It is 0 if the norm keeps no running mean.
    """
    if running_mean is None or mean is None:
        return 0.0
    is_used = variance > 0
    shift = (running_mean - mean).abs()[is_used] / variance[is_used].sqrt()
    return float(shift.median()) if is_used.any() else 0.0


def is_biased(ratio: float, shift: float, values: int) -> bool:
    """Returns whether the means are right and the variance is that of averaged biased ones."""
    expected = (values - 1) / values
    is_near = abs(ratio / expected - 1) <= _CLOSE if expected else False
    return is_near and shift <= _SHIFT and ratio <= _LARGEST_RATIO


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the layers whose means are right and whose variances are too small by (n − 1) / n.

    Norms whose config says that they average biased variances are sound.
    """
    found: list[tuple[str, float, int]] = []
    for name, (mean, variance) in (network.true_statistics if network.steps else {}).items():
        norm, values = network.tracking_norms[name], network.count_values(name)
        ratio = compute_ratio(norm.running_var, variance)  # type: ignore[arg-type]
        shift = compute_shift(getattr(norm, "running_mean", None), mean, variance)
        is_meant = network.averages_biased_variances(name)
        if values and not is_meant and is_biased(ratio, shift, values):
            found.append((name, ratio, values))
    if found:
        _, ratio, values = min(found, key=lambda one: one[1])
        evidence = (
            f"the running variance is {ratio:.2f} times that of the training images, and "
            f"(n − 1) / n is {(values - 1) / values:.2f} at n = {values}"
        )
        place = name_some(name for name, *_ in found)
        yield Finding("the running variance is biased", evidence, "error", place)
