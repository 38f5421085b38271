"""Groups that do not divide the channels."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "the groups of group norm do not divide a layer's channels"
CAUSE = "every group holds equally many channels; the default of 32 groups needs wide layers"
FIX = "use a size that the evidence names"


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields what the config's own check says about groups, with sizes that fit."""
    for found in setup.findings:
        if found.kind == "groups":
            yield Finding(PROBLEM, found.reason, "error", dotted(found.path))
