"""The checks, one module each: adding a check is adding its file.

A check is a module in one of the folders here with the texts `PROBLEM`, `CAUSE` and `FIX`, and with
one or more functions that take what is examined and yield findings:

- `check_machine(machine: Machine)`: this machine;
- `check_setup(setup: Setup)`: one cell of a config, without PyTorch;
- `check_network(network: Network)`: a network, as built from a config or as trained.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from bnexp.doctor.finding import Finding

ROOMS = ("machine", "setup", "statistics")
"""The folders with checks."""

Subject = Literal["machine", "setup", "network"]


@dataclass(frozen=True)
class Check:
    """A module that looks for one problem."""

    name: str
    room: str
    problem: str
    """What it looks for, in a few words."""
    cause: str
    fix: str
    functions: dict[str, Callable[[Any], Iterable[Finding]]]
    """What it examines, by the kind of subject."""

    def examine(self, subject: Subject, given: Any) -> Iterator[Finding]:  # noqa: ANN401
        """Yields what it finds in a subject, with its name, and its cause and fix if wrong."""
        function = self.functions.get(subject)
        for finding in function(given) if function else ():
            named = replace(finding, check=self.name)
            if named.is_wrong:
                cause, fix = named.cause or self.cause, named.fix or self.fix
                named = replace(named, cause=cause, fix=fix)
            yield named


@functools.cache
def find_checks() -> tuple[Check, ...]:
    """Returns every check, room by room, in alphabetical order."""
    root = Path(__file__).parent
    return tuple(
        _read(room, path.stem) for room in ROOMS for path in sorted((root / room).glob("[!_]*.py"))
    )


def examine(subject: Subject, given: Any) -> Iterator[Finding]:  # noqa: ANN401 - any subject
    """Yields what all checks find in a subject."""
    for check in find_checks():
        yield from check.examine(subject, given)


def _read(room: str, name: str) -> Check:
    module = import_module(f"{__package__}.{room}.{name}")
    kinds = ("machine", "setup", "network")
    functions = {kind: getattr(module, f"check_{kind}", None) for kind in kinds}
    return Check(
        name=name,
        room=room,
        problem=module.PROBLEM,
        cause=module.CAUSE,
        fix=module.FIX,
        functions={kind: function for kind, function in functions.items() if function},
    )
