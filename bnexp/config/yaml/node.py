"""Values of a config, each with the place where it is written."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp.errors import Problem
from bnexp.foreign_text import shorten


@dataclass(frozen=True)
class Position:
    """Where something stands: file, line and column, both counted from 1."""

    file: str
    line: int
    column: int

    @property
    def is_override(self) -> bool:
        """Whether this is on the command line, `-s key=value`, and not in a file."""
        return self.file.startswith("-s ")

    def problem(self, reason: str, path: str = "", kind: str = "") -> Problem:
        """Returns a problem at this place."""
        return Problem(self.file, self.line, self.column, path, reason, kind)


@dataclass(frozen=True)
class Node:
    """A YAML value with its position: a scalar, a list of nodes, or a mapping to nodes."""

    value: Any
    position: Position
    keys: tuple[tuple[str, Position], ...] = ()
    """For a mapping: where each key stands."""

    @property
    def mapping(self) -> dict[str, Node] | None:
        """The children by key, or None if this is not a mapping."""
        return self.value if isinstance(self.value, dict) else None

    @property
    def children(self) -> dict[str, Node]:
        """The children by key; none if this is not a mapping."""
        return self.mapping or {}

    @property
    def items(self) -> list[Node]:
        """The items; none if this is not a list."""
        return self.value if isinstance(self.value, list) else []

    def key_position(self, key: str) -> Position:
        """Returns where `key` stands, or this node's own position if it has no such key."""
        return self._places.get(key, self.position)

    def child(self, *keys: str | int) -> Node | None:
        """Returns what stands below `keys`, through mappings and lists; None if nothing does."""
        node: Node | None = self
        for key in map(str, keys):
            if node and key.isdecimal() and int(key) < len(node.items):
                node = node.items[int(key)]
            else:
                node = node.children.get(key) if node else None
        return node

    def section(self, key: str) -> Node:
        """Returns what stands at `key`, or an empty value if nothing does."""
        return self.child(key) or Node(None, self.position)

    def folder_of(self, *keys: str | int) -> Path:
        """Returns where a relative path at `keys` starts: the folder of the file that has it.

        For a value from the command line, and in Python, it is the current one.
        """
        node = self.child(*keys)
        return Path(node.position.file).parent if node and not node.position.is_override else Path()

    def without(self, key: str) -> Node:
        """Returns this mapping without a key."""
        children = {name: child for name, child in self.value.items() if name != key}
        return Node(children, self.position, tuple(one for one in self.keys if one[0] != key))

    @functools.cached_property
    def _places(self) -> dict[str, Position]:
        return dict(self.keys)

    def plain(self) -> Any:  # noqa: ANN401 - any YAML value
        """Returns the value as plain Python dicts, tuples and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return tuple(child.plain() for child in self.value)
        return self.value


def describe(value: Any) -> str:  # noqa: ANN401 - any YAML value
    """Returns a YAML value in words, for error messages."""
    if value is None:
        return "empty (null)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    return f"'{shorten(value)}'" if isinstance(value, str) else shorten(str(value))
