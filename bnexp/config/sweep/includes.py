"""`sweep.include`: cells that are added to those of the grid and the zip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnexp.config.sweep.choices import MAX_KEYS, Choice, Row, find_key_problem, outer_keys
from bnexp.config.yaml.node import Node, Position
from bnexp.errors import ConfigError, Problem


@dataclass(frozen=True)
class Include:
    """One more cell: where it stands in the file, and the choices that make it."""

    place: Position
    choices: Row
    """Keys that the grid or zip sweeps first, in their order; then the others as written."""


def read_includes(includes: Node | None, swept: Sequence[str]) -> list[Include]:
    """Returns the cells that `sweep.include` adds; `swept` are the keys of grid and zip.

    Raises:
        ConfigError: An include is empty, or sets a key that cannot be swept, or one that lies
            inside of another swept key or around it.
    """
    items: list[Node] = includes.value or [] if includes else []
    keys = {key for item in items for key in item.mapping or {}}
    around = {outer: key for key in swept for outer in outer_keys(key)}
    problems = [
        problem
        for index, item in enumerate(items)
        for problem in _find_problems(item, f"sweep.include.{index}", {*swept, *keys}, around)
    ]
    if problems:
        raise ConfigError(problems)
    order = {key: place for place, key in enumerate(swept)}
    return [_read_include(index, item, order) for index, item in enumerate(items)]


def name_keys(swept: Mapping[str, str], includes: Sequence[Include]) -> dict[str, str]:
    """Returns the short name of every key: those of `swept` as they are, then the others.

    A key that only includes set gets its last words, as many as it takes to differ from
    the names before it, so that an include at the end renames nothing.
    """
    names = dict(swept)
    for include in includes:
        new = [choice.key for choice in include.choices if choice.key not in names]
        endings = Counter(ending for key in new for ending in _endings(key))
        taken = {*names.values(), *(ending for ending, count in endings.items() if count > 1)}
        names |= {key: _first_free(key, taken) for key in new}
    return names


def _first_free(key: str, taken: set[str]) -> str:
    return next((ending for ending in _endings(key) if ending not in taken), key)


def _endings(key: str) -> Iterator[str]:
    words = key.removesuffix(".name").split(".")
    yield from (".".join(words[-length:]) for length in range(1, len(words) + 1))


def _find_problems(
    item: Node, path: str, keys: set[str], around: Mapping[str, str]
) -> Iterator[Problem]:
    if not item.mapping:
        yield item.position.problem("needs at least one key with its value", path)
    if len(item.mapping or {}) > MAX_KEYS:
        yield item.position.problem(f"sets more than {MAX_KEYS} keys", path)
        return
    for key in item.mapping or {}:
        inner = around.get(key)
        outer = next((other for other in outer_keys(key) if other in keys), None)
        reason = find_key_problem(key)
        if reason is None and inner:
            reason = f"holds '{inner}', which is swept; set that key and the others of it"
        if reason is None and outer:
            reason = f"lies inside '{outer}', which is swept as well"
        if reason:
            yield item.key_position(key).problem(reason, f"{path}.{key}")


def _read_include(index: int, item: Node, order: Mapping[str, int]) -> Include:
    places = dict(item.keys)
    choices = [
        Choice(f"sweep.include.{index}", key, places[key], value)
        for key, value in item.value.items()
    ]
    choices.sort(key=lambda choice: order.get(choice.key, len(order)))
    return Include(item.position, tuple(choices))
