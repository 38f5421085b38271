"""The cells of a sweep: the grid's combinations with the zip's rows, some left out, some added."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bnexp.config.sweep.choices import (
    MAX_KEYS,
    Choice,
    Row,
    canonical_label,
    find_key_problem,
    outer_keys,
)
from bnexp.config.sweep.excludes import find_excluded, read_excludes
from bnexp.config.sweep.includes import name_keys, read_includes
from bnexp.config.yaml.node import Node, Position
from bnexp.config.yaml.problems import collecting
from bnexp.config.yaml.tree import assign, assignment_order
from bnexp.errors import ConfigError, Problem

MAX_CELL_NAME = 120


@dataclass(frozen=True)
class Cell:
    """One variant of the experiment: its name and the choices that make it."""

    name: str
    choices: Row
    include: Position | None = None
    """Where it stands in `sweep.include`; None for a cell of the grid and the zip."""

    def apply(self, tree: Node) -> Node:
        """Returns the config's tree with this cell's values in their places."""
        for choice in sorted(self.choices, key=lambda choice: assignment_order(choice.key)):
            tree = assign(tree, choice.key, choice.value, choice.place)
        return tree


def expand_cells(sweep: Node | None, max_runs: int, num_seeds: int) -> list[Cell]:
    """Returns the sweep's cells, one cell where neither grid nor zip is there.

    Every combination of the grid's values, the last key varying fastest, is joined with
    every row of the zip; what `exclude` matches is left out, and the cells of `include`
    come after. Runs are counted before any cell is built, and before any is excluded.

    Raises:
        ConfigError: A value or a row stands twice, keys overlap or cannot be swept, the
            zip's lists differ in length, an exclude matches nothing, nothing is left, or
            the sweep has more than `max_runs` runs.
    """
    axes, unjoined, problems = _read_axes(sweep)
    parts = (sweep.mapping or {}) if sweep else {}
    keys = [choice.key for axis in axes for choice in axis[0]]
    includes, rules = [], []
    with collecting(problems):
        includes = read_includes(parts.get("include"), [*_swept_by(sweep)])
    if not _is_any_key_twice(sweep):  # else it is open which values an exclude could mean
        with collecting(problems):
            rules = read_excludes(parts.get("exclude"), [*axes, *unjoined])
    runs = (math.prod(len(axis) for axis in axes) + len(includes)) * num_seeds
    if sweep is not None and runs > max_runs:
        problems.append(_refuse_count(sweep, runs, max_runs, bool(rules)))
    elif sweep is not None and len(keys) > MAX_KEYS:
        problems.append(sweep.position.problem(f"more than {MAX_KEYS} keys are swept", "sweep"))
    if problems:
        raise ConfigError(problems)
    names = name_keys(dict(zip(keys, short_names(keys), strict=True)), includes)
    cells = [Cell(_cell_name(names, row), row) for row in _combine(axes, find_excluded(rules))]
    if not cells:
        reason = "nothing is left of grid and zip; exclude less"
        raise ConfigError([parts["exclude"].position.problem(reason, "sweep.exclude")])
    cells += [Cell(_cell_name(names, one.choices), one.choices, one.place) for one in includes]
    return _name_apart(cells)


def _combine(axes: Sequence[Sequence[Row]], excluded: set[tuple[int, ...]]) -> Iterator[Row]:
    """Yields the choices of every combination that is not excluded."""
    numbers = itertools.product(*(range(len(axis)) for axis in axes))
    for combination, rows in zip(numbers, itertools.product(*axes), strict=True):
        if combination not in excluded:
            yield tuple(itertools.chain(*rows))


def _refuse_count(sweep: Node, runs: int, max_runs: int, has_excludes: bool) -> Problem:
    before = ", counted before sweep.exclude," if has_excludes else ""
    reason = f"{_show_count(runs)} runs{before} are more than sweep.max_runs, {max_runs:,}"
    return sweep.position.problem(reason, "sweep")


def swept_keys(sweep: Node | None) -> set[str]:
    """Returns the keys that the grid and the zip name, right or wrong."""
    return set(_swept_by(sweep))


def every_choice(sweep: Node | None) -> list[Choice]:
    """Returns the values of grid, zip and include one by one, though the sweep be wrong."""
    lists = [*_read_choices(sweep, "grid").values(), *_read_choices(sweep, "zip").values()]
    include = sweep.child("include") if sweep else None
    items = include.value if include is not None and isinstance(include.value, list) else []
    added = [
        Choice(f"sweep.include.{index}", key, item.key_position(key), value)
        for index, item in enumerate(items)
        for key, value in (item.mapping or {}).items()
    ]
    choices = [choice for values in lists for choice in values] + added
    return [choice for choice in choices if find_key_problem(choice.key) is None]


def _swept_by(sweep: Node | None) -> dict[str, str]:
    """Returns the keys of grid and zip, in order, with the part that has each."""
    parts = (sweep.mapping or {}) if sweep else {}
    found = [(part, parts[part].mapping or {}) for part in ("grid", "zip") if part in parts]
    return {key: part for part, lists in found for key in lists}


def _show_count(count: int) -> str:
    # Python refuses to write out numbers of more than 4,300 digits.
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def _is_any_key_twice(sweep: Node | None) -> bool:
    return bool(_read_choices(sweep, "grid").keys() & _read_choices(sweep, "zip").keys())


def _read_axes(sweep: Node | None) -> tuple[list[list[Row]], list[list[Row]], list[Problem]]:
    """Returns the values that vary together, key by key of the grid, then the zip's rows.

    Where the zip's lists cannot be joined to rows, they come second, each by itself.
    """
    grid, zipped = (_read_choices(sweep, part) for part in ("grid", "zip"))
    keys = {key: part for part, lists in (("grid", grid), ("zip", zipped)) for key in lists}
    problems = [*_find_overlaps(sweep, keys), *_find_uneven(zipped)]
    axes: list[list[Row]] = [[(choice,) for choice in choices] for choices in grid.values()]
    unjoined: list[list[Row]] = []
    if zipped and not problems:
        axes.append(list(zip(*zipped.values(), strict=True)))
    elif zipped:
        unjoined = [[(choice,) for choice in choices] for choices in zipped.values()]
    problems += [problem for axis in axes for problem in _find_repeated(axis)]
    return axes, unjoined, problems


def _read_choices(sweep: Node | None, part: str) -> dict[str, list[Choice]]:
    lists = ((sweep.mapping or {}) if sweep else {}).get(part)
    if lists is None or not lists.mapping:
        return {}
    places = dict(lists.keys)
    return {
        key: [Choice(f"sweep.{part}", key, places[key], value) for value in node.value]
        for key, node in lists.mapping.items()
        if isinstance(node.value, list)
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
        same = tuple(canonical_label(choice.value) for choice in row)
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
    if reason := find_key_problem(key):
        return reason
    if keys[key] != part:
        return "is swept by sweep.zip as well"
    outer = [other for other in outer_keys(key) if other in keys]
    return f"lies inside '{outer[0]}', which is swept as well" if outer else None


def _name_apart(cells: list[Cell]) -> list[Cell]:
    """Leaves a name that several cells have to the first of them alone."""
    named: dict[str, Cell] = {}
    for cell in cells:
        name = cell.name
        if name in named:
            choices = [(choice.key, choice.value.plain()) for choice in cell.choices]
            name = _with_digest(name, repr(choices))
        named[name] = replace(cell, name=name)
    return list(named.values())


def _cell_name(names: Mapping[str, str], choices: Row) -> str:
    """Returns `norm=batch,batch_size=8`, safe as a folder's name; `base` without choices."""
    full = ",".join(f"{names[choice.key]}={choice.label}" for choice in choices) or "base"
    safe = re.sub(r"[^A-Za-z0-9._=,+()-]", "_", full)
    if safe == full and len(full) <= MAX_CELL_NAME:
        return full
    return _with_digest(safe, full)


def _with_digest(name: str, content: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return f"{name[: MAX_CELL_NAME - 9]}-{digest}"


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
