"""What a check finds: what it is, the numbers that show it, its cause, and the fix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["fine", "note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From what is well to what is wrong: a note is worth knowing, and neither good nor bad."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check has looked at."""

    what: str
    """What there is, in a sentence without its full stop."""
    evidence: str = ""
    """The numbers, names or messages that show it."""
    severity: Severity = "error"
    place: str = ""
    """The key, layer or file that it is about."""
    cause: str = ""
    """Why it is so and what follows; empty takes the check's own if it is wrong."""
    fix: str = ""
    """What to do; empty takes the check's own if it is wrong."""
    check: str = ""
    """The name of the check; the check itself leaves it empty."""

    @property
    def is_wrong(self) -> bool:
        """Whether it is a warning or an error."""
        return self.severity in ("warning", "error")


def order(findings: Iterable[Finding]) -> list[Finding]:
    """Returns each finding once: what is fine first, errors last, next to the prompt."""
    return sorted(dict.fromkeys(findings), key=lambda one: SEVERITIES.index(one.severity))
