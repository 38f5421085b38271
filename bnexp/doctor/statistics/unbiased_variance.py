"""How far apart the biased and the unbiased variance of a batch are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.doctor.subjects.network import Network

PROBLEM = "few values per channel: the biased and the unbiased variance of a batch are far apart"
CAUSE = (
    "training normalizes with the biased variance, while PyTorch's running variance averages the "
    "unbiased one, n / (n − 1) times that (Keras and flax: the biased one), so that evaluation "
    "divides by more than training did"
)
FIX = "use a larger batch or normalization batch, less pooling before the norm, or group norm"

LARGEST_FACTOR = 1.1
"""A larger factor changes the outputs by more than 5 %."""


def compute_factor(values: int) -> float:
    """Returns the unbiased variance of that many values over their biased one."""
    return values / (values - 1) if values > 1 else math.inf


def judge(values: int, place: str = "") -> Finding:
    """Returns what the smallest number of values per channel means for the running variance."""
    factor = compute_factor(values)
    decimals = 2 if factor >= 1.1 else 3 if factor >= 1.01 else 4
    evidence = (
        f"the unbiased one is {factor:.{decimals}f} times the biased one at "
        f"{count(values, 'value')} per channel"
    )
    if factor > LARGEST_FACTOR:
        return Finding(
            "training and evaluation divide by different variances", evidence, "warning", place
        )
    return Finding("biased against unbiased variance", evidence, "fine")


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields the layer with the fewest values per channel."""
    batch_size = setup.config.data.batch_size
    if setup.facts is not None:
        batch_size = min(batch_size, setup.config.data.count_training_images(setup.facts))
    values = [
        (images * site.shape[1] * site.shape[2], ".".join(map(str, ("model", *site.path))))
        for site in setup.sites
        if (images := site.norm.statistics_batch(batch_size))
        and site.norm.evaluates_images_alone
        and not site.norm.averages_biased_variances
    ]
    if values and min(values)[0] > 1:
        yield judge(*min(values))


def check_network(network: Network) -> Iterator[Finding]:
    """Yields the layer with the fewest values per channel."""
    counts = [
        (network.count_values(name) or 0, name)
        for name in network.tracking_norms
        if not network.averages_biased_variances(name)
    ]
    values = [pair for pair in counts if pair[0] > 1]
    if values:
        yield judge(*min(values))
