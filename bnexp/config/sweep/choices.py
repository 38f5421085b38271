"""The values that a sweep gives to keys, and what they are called in tables and folder names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from bnexp.config.yaml.node import Node, Position
from bnexp.config.yaml.reader import MAX_DEPTH
from bnexp.config.yaml.tree import Assignment
from bnexp.runs.record import Scalar
from bnexp.wording import write_value


@dataclass(frozen=True)
class Choice(Assignment):
    """A swept key with one of its values."""

    part: str
    """Where it is swept: `sweep.grid`, `sweep.zip` or `sweep.include.0`."""

    @property
    def path(self) -> str:
        """The keys that lead to it, e.g. `sweep.grid.model.norm.name`."""
        return f"{self.part}.{self.key}"

    @property
    def label(self) -> str:
        """The value as it stands in tables and folder names: `batch`, `0.001`, `batch(eps=0.1)`."""
        return label(self.value.plain())

    @functools.cached_property
    def canonical_label(self) -> str:
        """The label, the same for the spellings 1 and 1.0 of one value."""
        return canonical_label(self.value)


Row = tuple[Choice, ...]
"""Choices that are made together."""


def read_choices(sweep: Node, part: str, path: str = "") -> dict[str, list[Choice]]:
    """Returns the values of each key of `grid` or `zip`; what is not a list has none.

    `path` is where the part stands, if that is not directly in the sweep.
    """
    axes, path = sweep.section(part), path or f"sweep.{part}"
    return {
        key: [Choice(key, axes.key_position(key), value, path) for value in values.items]
        for key, values in axes.children.items()
    }


@dataclass(frozen=True)
class Include:
    """An item of `sweep.include`: one more cell, with its choices as they are written."""

    path: str
    place: Position
    choices: Row


def read_includes(sweep: Node) -> Iterator[Include]:
    """Yields the items of `include`; none if it is not a list."""
    for index, item in enumerate(sweep.section("include").items):
        path = f"sweep.include.{index}"
        children = item.children.items()
        choices = (Choice(key, item.key_position(key), value, path) for key, value in children)
        yield Include(path, item.position, tuple(choices))


def read_all_choices(sweep: Node) -> list[Choice]:
    """Returns the values of grid, zip and include one by one, even if the sweep is wrong."""
    axes = (*read_choices(sweep, "grid").values(), *read_choices(sweep, "zip").values())
    added = (include.choices for include in read_includes(sweep))
    return [choice for choices in (*axes, *added) for choice in choices]


def find_key_problem(key: str) -> str | None:
    """Returns why no sweep can set a key, or None if one can."""
    if key == "train.seed":
        return "use sweep.seeds for seeds"
    if key.split(".")[0] in ("name", "sweep", "extends", "claim", "tiers"):
        return "cannot be swept"
    if key.split(".")[0] == "diagnostics":
        return "cannot be swept: it changes no figure but those that it adds"
    if key.count(".") >= MAX_DEPTH:
        return f"goes deeper than {MAX_DEPTH} levels"
    return None


def outer_keys(key: str) -> Iterator[str]:
    """Yields `model` and `model.norm` for `model.norm.name`; nothing for a key too deep."""
    if key.count(".") < MAX_DEPTH:
        yield from list(accumulate(key.split("."), "{}.{}".format))[:-1]


def overlap(path: str, key: str) -> bool:
    """Whether a path leads to, into or around a key, or the part that the key names."""
    place = f"{key.removesuffix('.name')}."
    return f"{path}.".startswith(place) or place.startswith(f"{path}.")


def as_setting(value: Any) -> Scalar:  # noqa: ANN401 - any plain value
    """Returns a scalar as it is, and the label of a mapping or list."""
    return label(value) if isinstance(value, dict | list | tuple) else value


def label(value: Any, write: Callable[[Any], str] = write_value) -> str:  # noqa: ANN401
    """Returns a plain value as one word: `batch`, `0.001`, `null`, `a+b`, `batch(eps=0.1)`."""
    if isinstance(value, dict):
        options = [f"{key}={label(item, write)}" for key, item in value.items() if key != "name"]
        name = label(value["name"], write) if "name" in value else ""
        return f"{name}({','.join(options)})" if options or not name else name
    if isinstance(value, list | tuple):
        return "+".join(label(item, write) for item in value) or "empty"
    return write(value)


def canonical_label(node: Node) -> str:
    """Returns a label that is the same for the spellings 1 and 1.0 of one value."""
    return label(node.plain(), _write_one_spelling)


def _write_one_spelling(value: Scalar) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return write_value(int(value) if is_whole else value)  # type: ignore[arg-type]
