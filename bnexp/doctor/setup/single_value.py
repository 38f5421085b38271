"""One value per channel, which has no variance."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "a batch leaves a norm one value per channel: PyTorch raises 'Expected more than 1 value'"
CAUSE = (
    "the number of training images leaves a last batch of one (N mod batch = 1), or batch, height "
    "and width are all 1 at a norm; one value is its own mean and has no variance"
)
FIX = "set data.drop_last: true, change train_size or batch_size, or pool less before the norm"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the config's own check says about single values."""
    for found in setup.findings:
        if found.kind == "single_value":
            yield Finding(PROBLEM, found.reason, "error", dotted(found.path))
