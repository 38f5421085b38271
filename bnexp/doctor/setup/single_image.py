"""A batch of one image, which batch norm can normalize but not well."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "a batch of one image, which batch norm normalizes by its own pixels"
CAUSE = (
    "the number of training images leaves a last batch of one (N mod batch = 1), or the batch size "
    "is 1; PyTorch trains on it as instance norm does, without an error, if a channel has several "
    "pixels, but evaluation uses statistics of all images; bnexp refuses it"
)
FIX = (
    "set data.drop_last: true, change train_size or batch_size, or use a norm that does not depend "
    "on the batch, e.g. group"
)


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the config's own check says about batches of one image."""
    for found in setup.findings:
        if found.kind == "single_image":
            yield Finding(PROBLEM, found.reason, "error", dotted(found.path))
