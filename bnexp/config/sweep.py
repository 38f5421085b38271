"""The cells of a sweep: every combination of the grid's values, put into the config's tree."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bnexp.config.tree import assign, assignment_order
from bnexp.config.yaml_reader import Node, Position
from bnexp.errors import ConfigError, Problem

MAX_CELL_NAME = 120

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Choice:
    """A swept key with one of its values."""

    key: str
    place: Position
    value: Node

    @property
    def label(self) -> str:
        """The value as it stands in tables and folder names: `batch`, `0.001`, `batch(eps=0.1)`."""
        return _label(self.value)

    @property
    def setting(self) -> Setting:
        """The value itself where it is a scalar, else its label."""
        value = self.value.value
        return self.label if isinstance(value, dict | list) else value


@dataclass(frozen=True)
class Cell:
    """One variant of the experiment: its name and the choices that make it."""

    name: str
    choices: tuple[Choice, ...]

    def apply(self, tree: Node) -> Node:
        """Returns the config's tree with this cell's values in their places."""
        for choice in sorted(self.choices, key=lambda choice: assignment_order(choice.key)):
            tree = assign(tree, choice.key, choice.value, choice.place)
        return tree


def expand_grid(grid: Node | None, max_runs: int, num_seeds: int) -> list[Cell]:
    """Returns the cells of `sweep.grid`, the last key varying fastest; one cell without a grid.

    Raises:
        ConfigError: A key has no values or the same value twice, keys overlap, or the
            sweep has more than `max_runs` runs.
    """
    axes = _read_axes(grid)
    runs = math.prod(len(axis) for axis in axes) * num_seeds
    if runs > max_runs:
        place = grid.position if grid else Position("", 1, 1)
        reason = f"{runs:,} runs are more than sweep.max_runs, {max_runs:,}"
        raise ConfigError([place.problem(reason, "sweep")])
    names = _short_names([axis[0].key for axis in axes])
    return [
        Cell(_cell_name(names, choices), tuple(choices)) for choices in itertools.product(*axes)
    ]


def _read_axes(grid: Node | None) -> list[list[Choice]]:
    if grid is None or not grid.mapping:
        return []
    axes = [
        [Choice(key, grid.key_position(key), value) for value in values.value]
        for key, values in grid.mapping.items()
        if isinstance(values.value, list)
    ]
    problems = [problem for axis in axes for problem in _twice(axis)]
    problems += _find_overlaps(grid)
    if problems:
        raise ConfigError(problems)
    return [axis for axis in axes if axis]


def _twice(axis: list[Choice]) -> Iterator[Problem]:
    seen: set[str] = set()
    for choice in axis:
        if choice.label in seen:
            reason = f"the value {choice.label} stands twice"
            yield choice.value.position.problem(reason, f"sweep.grid.{choice.key}")
        seen.add(choice.label)


def _find_overlaps(grid: Node) -> Iterator[Problem]:
    for key in grid.value:
        place = grid.key_position(key)
        if key == "train.seed":
            yield place.problem("use sweep.seeds for seeds", f"sweep.grid.{key}")
        elif key.split(".")[0] in ("name", "sweep", "extends"):
            yield place.problem("cannot be swept", f"sweep.grid.{key}")
        for other in grid.value:
            if key.startswith(f"{other}."):
                reason = f"lies inside '{other}', which is swept as well"
                yield place.problem(reason, f"sweep.grid.{key}")


def _cell_name(names: list[str], choices: tuple[Choice, ...]) -> str:
    """Returns `norm=batch,batch_size=8`, safe as a folder's name; `base` without choices."""
    pairs = zip(names, choices, strict=True)
    full = ",".join(f"{name}={choice.label}" for name, choice in pairs) or "base"
    safe = re.sub(r"[^A-Za-z0-9._=,+()-]", "_", full)
    if safe == full and len(full) <= MAX_CELL_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{safe[: MAX_CELL_NAME - 9]}-{digest}"


def _short_names(keys: list[str]) -> list[str]:
    """Returns each key's last word, or as many of its words as tell it from the others."""
    paths = [key.removesuffix(".name").split(".") for key in keys]
    names = []
    for path in paths:
        length = 1
        while length < len(path) and sum(other[-length:] == path[-length:] for other in paths) > 1:
            length += 1
        names.append(".".join(path[-length:]))
    return names


def _label(node: Node) -> str:
    value = node.value
    if isinstance(value, dict):
        name = value.get("name")
        rest = ",".join(f"{key}={_label(child)}" for key, child in value.items() if key != "name")
        if name is None:
            return f"({rest})"
        return f"{_label(name)}({rest})" if rest else _label(name)
    if isinstance(value, list):
        return "+".join(_label(child) for child in value) or "empty"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
