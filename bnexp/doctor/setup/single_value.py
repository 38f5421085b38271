"""One value per channel, which has no variance."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "a norm sees one value per channel, which has no variance"
CAUSE = (
    "height and width are 1 at a norm, and so is its batch, e.g. the last (N mod batch = 1), or it "
    "treats each image by itself; one value is its own mean, and PyTorch's batch and instance "
    "norm raise 'Expected more than 1 …'"
)
FIX = "set data.drop_last: true, change train_size or batch_size, or pool less before the norm"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the config's own check says about single values."""
    for found in setup.findings:
        if found.kind == "single_value":
            yield Finding(PROBLEM, found.reason, "error", dotted(found.path))
