"""`sweep.exclude`: which combinations of the grid and the zip are left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnexp.config.sweep.choices import Row, canonical_label
from bnexp.config.yaml.node import Node, describe
from bnexp.errors import ConfigError, Problem, did_you_mean

Rule = tuple[frozenset[int], ...]
"""For each axis, the rows that an exclude matches; a cell matches with all of its rows."""


@dataclass(frozen=True)
class _SweptKey:
    """The axis of a swept key, and the rows of it in which the key has each value."""

    axis: int
    rows: dict[str, frozenset[int]]
    """By the value's canonical label."""


def read_excludes(excludes: Node | None, axes: Sequence[Sequence[Row]]) -> list[Rule]:
    """Returns what each exclude matches, without listing the cells.

    Raises:
        ConfigError: An exclude names no key or one that is not swept, gives a value that the
            key never has, or matches no cell.
    """
    keys = dict(_index_keys(axes))
    rules: list[Rule] = []
    problems: list[Problem] = []
    for index, item in enumerate(excludes.value or () if excludes else ()):
        path = f"sweep.exclude.{index}"
        found = list(_find_problems(item, path, keys))
        problems += found
        if not found:
            rules.append(_read_rule(item, axes, keys))
            if not all(rules[-1]):
                reason = "no cell has all of these values together"
                problems.append(item.position.problem(reason, path))
    if problems:
        raise ConfigError(problems)
    return list(dict.fromkeys(rules))


def find_excluded(rules: Sequence[Rule]) -> set[tuple[int, ...]]:
    """Returns the cells that match a rule, each as its row's number in every axis."""
    return {cell for rule in rules for cell in itertools.product(*rule)}


def _index_keys(axes: Sequence[Sequence[Row]]) -> Iterator[tuple[str, _SweptKey]]:
    for axis, rows in enumerate(axes):
        for place, choice in enumerate(rows[0]):
            labels = [canonical_label(row[place].value) for row in rows]
            numbers: dict[str, set[int]] = {name: set() for name in labels}
            for number, name in enumerate(labels):
                numbers[name].add(number)
            frozen = {name: frozenset(found) for name, found in numbers.items()}
            yield choice.key, _SweptKey(axis, frozen)


def _find_problems(item: Node, path: str, keys: dict[str, _SweptKey]) -> Iterator[Problem]:
    if not item.mapping:
        reason = "needs at least one key with the value to leave out"
        yield item.position.problem(reason, path)
    for key, value in (item.mapping or {}).items():
        swept = keys.get(key)
        if swept is None:
            known = ", ".join(keys) or "none; add sweep.grid or sweep.zip"
            hint = did_you_mean(key, list(keys)) or f"; the keys that are: {known}"
            reason = f"is not swept by grid or zip{hint}"
            yield item.key_position(key).problem(reason, f"{path}.{key}")
            continue
        for wrong in _find_unknown(value, swept):
            known = ", ".join(itertools.islice(swept.rows, 20))
            hint = did_you_mean(canonical_label(wrong), list(swept.rows))
            reason = f"{describe(wrong.value)} is none of this key's values, {known}{hint}"
            yield wrong.position.problem(reason, f"{path}.{key}")


def _find_unknown(value: Node, swept: _SweptKey) -> list[Node]:
    return [item for item in _alternatives(value, swept) if canonical_label(item) not in swept.rows]


def _alternatives(value: Node, swept: _SweptKey) -> list[Node]:
    """Returns the values of a list, unless the list itself is one of the key's values."""
    if isinstance(value.value, list) and value.value and canonical_label(value) not in swept.rows:
        return list(value.value)
    return [value]


def _read_rule(item: Node, axes: Sequence[Sequence[Row]], keys: dict[str, _SweptKey]) -> Rule:
    rule = [frozenset(range(len(axis))) for axis in axes]
    for key, value in item.value.items():
        swept = keys[key]
        labels = [canonical_label(choice) for choice in _alternatives(value, swept)]
        rule[swept.axis] &= frozenset().union(*(swept.rows[name] for name in labels))
    return tuple(rule)
