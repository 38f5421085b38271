"""The values that a sweep gives to keys, and what they are called in tables and folder names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from bnexp.config.yaml.node import Node, Position
from bnexp.config.yaml.reader import MAX_DEPTH
from bnexp.runs.record import Scalar

MAX_KEYS = 100
"""Keys that one cell can set; a config has about half as many."""


@dataclass(frozen=True)
class Choice:
    """A swept key with one of its values."""

    part: str
    """Where it is swept: `sweep.grid`, `sweep.zip` or `sweep.include.0`."""
    key: str
    place: Position
    value: Node

    @property
    def label(self) -> str:
        """The value as it stands in tables and folder names: `batch`, `0.001`, `batch(eps=0.1)`."""
        return label(self.value)

    @property
    def setting(self) -> Scalar:
        """The value itself where it is a scalar, else its label."""
        return as_setting(self.value)


Row = tuple[Choice, ...]
"""Choices that are made together."""


def find_key_problem(key: str) -> str | None:
    """Returns why no sweep can set a key, or None where one can."""
    if key == "train.seed":
        return "use sweep.seeds for seeds"
    if key.split(".")[0] in ("name", "sweep", "extends", "claim"):
        return "cannot be swept"
    if key.count(".") >= MAX_DEPTH:
        return f"leads deeper than {MAX_DEPTH} levels"
    return None


def outer_keys(key: str) -> Iterator[str]:
    """Yields `model` and `model.norm` for `model.norm.name`; nothing for a key too deep."""
    if key.count(".") < MAX_DEPTH:
        yield from list(accumulate(key.split("."), "{}.{}".format))[:-1]


def as_setting(node: Node) -> Scalar:
    """Returns a scalar as it is, and the label of a mapping or list."""
    value = node.value
    return label(node) if isinstance(value, dict | list) else value


def label(node: Node) -> str:
    """Returns a value as one word: `batch`, `0.001`, `null`, `a+b`, `batch(eps=0.1)`."""
    value = node.value
    if isinstance(value, dict):
        name = value.get("name")
        rest = ",".join(f"{key}={label(child)}" for key, child in value.items() if key != "name")
        if name is None:
            return f"({rest})"
        return f"{label(name)}({rest})" if rest else label(name)
    if isinstance(value, list):
        return "+".join(label(child) for child in value) or "empty"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def canonical_label(node: Node) -> str:
    """Returns a label that is the same for the spellings 1 and 1.0 of one value."""
    return label(_with_whole_numbers(node))


def _with_whole_numbers(node: Node) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _with_whole_numbers(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_with_whole_numbers(child) for child in value]
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return Node(value, node.position)
