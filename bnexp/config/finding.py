"""What is impossible or suspicious in a config that is well-formed."""

from __future__ import annotations

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Keys and places in lists that lead to a value: `("model", "layers", 0)`."""


@dataclass(frozen=True)
class Finding:
    """Something impossible or suspicious in a config, at a path of its keys."""

    path: KeyPath
    reason: str
    is_error: bool = True
    kind: str = ""
    """The name of the doctor's check that explains it; empty if there is none."""

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.reason}"


def dotted(path: KeyPath) -> str:
    """Returns a path as it is written in overrides and messages: `model.layers.0.conv`."""
    return ".".join(str(key) for key in path)
