"""The cells of a sweep: the grid's combinations with the zip's rows, some left out, some added."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnexp.config.sweep.choices import (
    Choice,
    Include,
    Row,
    canonical_label,
    find_key_problem,
    outer_keys,
    read_choices,
    read_includes,
)
from bnexp.config.sweep.names import name_cells
from bnexp.config.yaml.node import Node, Position, describe
from bnexp.errors import ConfigError, Problem, did_you_mean

MAX_KEYS = 100
"""Keys that one cell can set; a config has about half as many."""


@dataclass(frozen=True)
class Cell:
    """One variant of the experiment: its name and the choices that make it."""

    name: str
    choices: Row
    include: Position | None = None
    """Where it stands in `sweep.include`; None for a cell of the grid and the zip."""

    def apply(self, tree: Node) -> Node:
        """Returns the config's tree with this cell's values in their places."""
        for choice in sorted(self.choices, key=lambda choice: choice.order):
            tree = choice.apply(tree)
        return tree


def expand_cells(sweep: Node, max_runs: int, num_seeds: int) -> list[Cell]:
    """Returns the sweep's cells; one, the config itself, if there is neither grid nor zip.

    Every combination of the grid's values, the last key varying fastest, is joined with
    every row of the zip; what `exclude` matches is left out, and the cells of `include`
    come after. Runs are counted before any cell is built, and before any is excluded.

    Raises:
        ConfigError: A value or a row is listed twice, keys overlap or cannot be swept, the
            zip's lists differ in length, an exclude matches nothing, nothing is left, or
            the sweep has more than `max_runs` runs.
    """
    grid, zipped = read_choices(sweep, "grid"), read_choices(sweep, "zip")
    swept = (*grid.values(), *zipped.values())
    includes = [*read_includes(sweep)]
    axes = [[(choice,) for choice in choices] for choices in grid.values()]
    axes += [list(zip(*zipped.values(), strict=False))] if zipped else []
    excludes = _read_excludes(sweep, swept)
    problems = [
        *_find_wrong_keys([choices[0] for choices in swept], includes),
        *_find_wrong_sizes(zipped, includes),
        *(problem for axis in axes for problem in _find_repeated(axis)),
        *(problem for exclude in excludes for problem in exclude.find_problems()),
    ]
    runs = (math.prod(map(len, axes)) + len(includes)) * num_seeds
    if runs > max_runs:
        # Python refuses to write out numbers of more than 4,300 digits.
        shown = f"{runs:,}" if runs < 10**18 else "more than 10^18"
        before = ", counted before sweep.exclude," if excludes else ""
        reason = f"{shown} runs{before} are more than sweep.max_runs, {max_runs:,}"
        problems.append(sweep.position.problem(reason, "sweep"))
    elif len(swept) > MAX_KEYS:
        problems.append(sweep.position.problem(f"more than {MAX_KEYS} keys are swept", "sweep"))
    if problems:
        raise ConfigError(problems)
    rows = [tuple(itertools.chain(*parts)) for parts in itertools.product(*axes)]
    kept = _leave_out(rows, excludes, sweep)
    keys = [*grid, *zipped]
    order = {key: place for place, key in enumerate(keys)}  # swept keys first, in their order
    added = [
        tuple(sorted(include.choices, key=lambda choice: order.get(choice.key, len(order))))
        for include in includes
    ]
    places = [*(None for _ in kept), *(include.place for include in includes)]
    return list(map(Cell, name_cells(kept, added, keys), [*kept, *added], places))


def _find_wrong_keys(swept: Sequence[Choice], includes: Sequence[Include]) -> Iterator[Problem]:
    """Yields keys that cannot be swept, and keys that overlap others."""
    parts = {choice.key: choice.part for choice in swept}
    added = [choice for include in includes for choice in include.choices]
    every = {*parts, *(choice.key for choice in added)}
    around = {outer: key for key in parts for outer in outer_keys(key)}
    for choice in swept:
        twice = f"is also swept by {parts[choice.key]}"
        yield from _find_clash(choice, parts, twice if choice.part != parts[choice.key] else None)
    for choice in added:
        inner = around.get(choice.key)
        holds = f"holds '{inner}', which is swept; set that key and the ones beside it instead"
        yield from _find_clash(choice, every, holds if inner else None)


def _find_clash(choice: Choice, keys: Collection[str], other: str | None) -> Iterator[Problem]:
    outer = next((key for key in outer_keys(choice.key) if key in keys), None)
    inside = f"lies inside '{outer}', which is also swept" if outer else None
    if reason := find_key_problem(choice.key) or other or inside:
        yield choice.place.problem(reason, choice.path)


def _find_wrong_sizes(
    zipped: Mapping[str, Sequence[Choice]], includes: Sequence[Include]
) -> Iterator[Problem]:
    if len({len(choices) for choices in zipped.values()}) > 1:
        first = next(iter(zipped.values()))
        lengths = ", ".join(f"{key} has {len(choices)}" for key, choices in zipped.items())
        reason = f"the lists must be equally long: {lengths}"
        yield first[0].place.problem(reason, "sweep.zip")
    for include in includes:
        if not include.choices:
            yield include.place.problem("needs at least one key with its value", include.path)
        if len(include.choices) > MAX_KEYS:
            yield include.place.problem(f"sets more than {MAX_KEYS} keys", include.path)


def _find_repeated(axis: Sequence[Row]) -> Iterator[Problem]:
    seen: set[tuple[str, ...]] = set()
    for row in axis:
        labels = tuple(choice.label for choice in row)
        same = tuple(choice.canonical_label for choice in row)
        if labels in seen or same in seen:
            what = f"the value {labels[0]} is listed" if len(row) == 1 else "this row is listed"
            path = row[0].path if len(row) == 1 else row[0].part
            yield row[0].value.position.problem(f"{what} twice", path)
        seen |= {labels, same}


@dataclass(frozen=True)
class _Exclude:
    """One mapping of `sweep.exclude`, a predicate over the cells of grid and zip."""

    path: str
    item: Node
    known: Mapping[str, Sequence[str]]
    """The values of each swept key, as canonical labels."""

    @functools.cached_property
    def wanted(self) -> dict[str, dict[str, Node]]:
        """For each key, the values that a cell may have to match, by their canonical labels."""
        wanted = {}
        for key, value in self.item.children.items():
            # A list holds alternatives, unless it is itself one of the key's values.
            is_one = canonical_label(value) in self.known.get(key, ())
            alternatives = [value] if is_one else value.items or [value]
            wanted[key] = {canonical_label(one): one for one in alternatives}
        return wanted

    def matches(self, row: Row) -> bool:
        """Whether a cell has, for each of the keys, one of the values."""
        labels = {choice.key: choice.canonical_label for choice in row}
        return all(labels[key] in values for key, values in self.wanted.items())

    def find_problems(self) -> Iterator[Problem]:
        """Yields keys that are not swept, and values that their keys never have."""
        if not self.wanted:
            reason = "needs at least one key with the value to leave out"
            yield self.item.position.problem(reason, self.path)
        for key, values in self.wanted.items():
            if key not in self.known:
                swept = ", ".join(self.known) or "none; add sweep.grid or sweep.zip"
                hint = did_you_mean(key, list(self.known)) or f"; the keys that are: {swept}"
                place = self.item.key_position(key)
                yield place.problem(f"is not swept by grid or zip{hint}", f"{self.path}.{key}")
                continue
            shown = ", ".join([*dict.fromkeys(self.known[key])][:20])
            for name in values.keys() - set(self.known[key]):
                hint = did_you_mean(name, self.known[key])
                reason = f"{describe(values[name].value)} is not one of this key's values, {shown}"
                yield values[name].position.problem(f"{reason}{hint}", f"{self.path}.{key}")


def _read_excludes(sweep: Node, swept: Sequence[Sequence[Choice]]) -> list[_Exclude]:
    known: dict[str, list[str]] = {}
    for choice in itertools.chain(*swept):
        known.setdefault(choice.key, []).append(choice.canonical_label)
    items = sweep.section("exclude").items
    return [_Exclude(f"sweep.exclude.{index}", item, known) for index, item in enumerate(items)]


def _leave_out(rows: Sequence[Row], excludes: Sequence[_Exclude], sweep: Node) -> list[Row]:
    """Returns the rows that no exclude matches.

    Raises:
        ConfigError: An exclude matches none of the rows, or together they match all.
    """
    problems = [
        exclude.item.position.problem("no cell has all of these values together", exclude.path)
        for exclude in excludes
        if not any(map(exclude.matches, rows))
    ]
    kept = [row for row in rows if not any(exclude.matches(row) for exclude in excludes)]
    if not kept and (place := sweep.child("exclude")):
        reason = "nothing is left of grid and zip; exclude less"
        problems.append(place.position.problem(reason, "sweep.exclude"))
    if problems:
        raise ConfigError(problems)
    return kept
