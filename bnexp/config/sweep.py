"""The cells of a sweep: the grid's combinations and the zip's rows, put into the config's tree."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnexp.config.tree import assign, assignment_order
from bnexp.config.yaml_reader import MAX_DEPTH, Node, Position
from bnexp.errors import ConfigError, Problem

MAX_CELL_NAME = 120

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Choice:
    """A swept key with one of its values."""

    part: str
    """Where it is swept: `sweep.grid` or `sweep.zip`."""
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


Row = tuple[Choice, ...]
"""Choices that are made together."""


@dataclass(frozen=True)
class Cell:
    """One variant of the experiment: its name and the choices that make it."""

    name: str
    choices: Row

    def apply(self, tree: Node) -> Node:
        """Returns the config's tree with this cell's values in their places."""
        for choice in sorted(self.choices, key=lambda choice: assignment_order(choice.key)):
            tree = assign(tree, choice.key, choice.value, choice.place)
        return tree


def expand_cells(sweep: Node | None, max_runs: int, num_seeds: int) -> list[Cell]:
    """Returns the cells of `sweep.grid` and `sweep.zip`, one cell where neither is there.

    Every combination of the grid's values, the last key varying fastest, is joined with
    every row of the zip.

    Raises:
        ConfigError: A value or a row stands twice, keys overlap or cannot be swept, the
            zip's lists differ in length, or the sweep has more than `max_runs` runs.
    """
    axes, problems = _read_axes(sweep)
    runs = math.prod(len(axis) for axis in axes) * num_seeds
    if sweep is not None and runs > max_runs:
        reason = f"{_show_count(runs)} runs are more than sweep.max_runs, {max_runs:,}"
        problems.append(sweep.position.problem(reason, "sweep"))
    if problems:
        raise ConfigError(problems)
    names = short_names([choice.key for axis in axes for choice in axis[0]])
    rows = (tuple(itertools.chain(*parts)) for parts in itertools.product(*axes))
    return [Cell(_cell_name(names, row), row) for row in rows]


def swept_keys(sweep: Node | None) -> set[str]:
    """Returns the keys that the grid and the zip name, right or wrong."""
    parts = ((sweep.mapping or {}) if sweep else {}).values()
    return {key for part in parts for key in part.mapping or {}}


def _show_count(count: int) -> str:
    # Python refuses to write out numbers of more than 4,300 digits.
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def _read_axes(sweep: Node | None) -> tuple[list[list[Row]], list[Problem]]:
    """Returns the values that vary together, key by key of the grid, then the zip's rows."""
    grid, zipped = (_read_choices(sweep, part) for part in ("grid", "zip"))
    keys = {key: part for part, lists in (("grid", grid), ("zip", zipped)) for key in lists}
    problems = [*_find_overlaps(sweep, keys), *_find_uneven(zipped)]
    axes: list[list[Row]] = [[(choice,) for choice in choices] for choices in grid.values()]
    if zipped and not problems:
        axes.append(list(zip(*zipped.values(), strict=True)))
    problems += [problem for axis in axes for problem in _find_repeated(axis)]
    return axes, problems


def _read_choices(sweep: Node | None, part: str) -> dict[str, list[Choice]]:
    lists = ((sweep.mapping or {}) if sweep else {}).get(part)
    if lists is None or not lists.mapping:
        return {}
    places = dict(lists.keys)
    return {
        key: [Choice(f"sweep.{part}", key, places[key], value) for value in node.value]
        for key, node in lists.mapping.items()
    }


def _find_uneven(zipped: dict[str, list[Choice]]) -> Iterator[Problem]:
    if len({len(choices) for choices in zipped.values()}) > 1:
        first = next(iter(zipped.values()))
        lengths = ", ".join(f"{key} has {len(choices)}" for key, choices in zipped.items())
        reason = f"the lists must be equally long: {lengths}"
        yield first[0].place.problem(reason, "sweep.zip")


def _find_repeated(axis: list[Row]) -> Iterator[Problem]:
    seen: set[tuple[str, ...]] = set()
    for row in axis:
        labels = tuple(choice.label for choice in row)
        same = tuple(_label(_with_whole_numbers(choice.value)) for choice in row)
        if labels in seen or same in seen:
            what = f"the value {labels[0]} stands" if len(row) == 1 else "this row stands"
            path = f"{row[0].part}.{row[0].key}" if len(row) == 1 else row[0].part
            yield row[0].value.position.problem(f"{what} twice", path)
        seen |= {labels, same}


def _find_overlaps(sweep: Node | None, keys: dict[str, str]) -> Iterator[Problem]:
    for part in ("grid", "zip"):
        for key, choices in _read_choices(sweep, part).items():
            reason = _refusal(key, part, keys)
            if reason:
                yield choices[0].place.problem(reason, f"sweep.{part}.{key}")


def _refusal(key: str, part: str, keys: dict[str, str]) -> str | None:
    if key == "train.seed":
        return "use sweep.seeds for seeds"
    if key.split(".")[0] in ("name", "sweep", "extends", "claim"):
        return "cannot be swept"
    if keys[key] != part:
        return "is swept by sweep.zip as well"
    if key.count(".") >= MAX_DEPTH:
        return f"leads deeper than {MAX_DEPTH} levels"
    outer = [
        other for other in itertools.accumulate(key.split("."), "{}.{}".format) if other in keys
    ]
    outer.remove(key)
    return f"lies inside '{outer[0]}', which is swept as well" if outer else None


def _cell_name(names: Sequence[str], choices: Row) -> str:
    """Returns `norm=batch,batch_size=8`, safe as a folder's name; `base` without choices."""
    pairs = zip(names, choices, strict=True)
    full = ",".join(f"{name}={choice.label}" for name, choice in pairs) or "base"
    safe = re.sub(r"[^A-Za-z0-9._=,+()-]", "_", full)
    if safe == full and len(full) <= MAX_CELL_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{safe[: MAX_CELL_NAME - 9]}-{digest}"


def short_names(keys: Sequence[str]) -> tuple[str, ...]:
    """Returns each key's last word, or as many of its words as tell it from the others.

    `model.norm.name` is `norm`, `data.batch_size` is `batch_size`.
    """
    paths = [key.removesuffix(".name").split(".") for key in keys]
    counts = Counter(tuple(path[-length:]) for path in paths for length in range(1, len(path) + 1))
    names = []
    for path in paths:
        length = 1
        while length < len(path) and counts[tuple(path[-length:])] > 1:
            length += 1
        names.append(".".join(path[-length:]))
    return tuple(names)


def _with_whole_numbers(node: Node) -> Node:
    """Writes 1.0 as 1, so that two spellings of one value are found."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _with_whole_numbers(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_with_whole_numbers(child) for child in value]
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return Node(value, node.position)


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
