"""Everything else that the config's own check finds impossible or suspicious."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.config.finding import dotted
from bnexp.doctor.finding import Finding
from bnexp.doctor.subjects.setup import Setup

PROBLEM = "the config is wrong, impossible or suspicious in another way"
CAUSE = "bnexp checks each config before it plans or trains, and refuses what cannot work"
FIX = "change the key as the evidence says; docs/config.md explains each of them"

EXPLAINED_KEYS = ("momentum", "track_running_stats")
"""Last keys of warnings for which other checks have the numbers."""


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yields the findings that no other check explains."""
    for found in setup.findings:
        is_momentum = found.path[-1] in EXPLAINED_KEYS and "norm" in found.path
        if not found.kind and not is_momentum:
            place = dotted(found.path)
            if found.is_error:
                yield Finding("the config is impossible", found.reason, "error", place)
            else:
                yield Finding("the config is suspicious", found.reason, "warning", place)
