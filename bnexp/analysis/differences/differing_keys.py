"""Finds the keys in which flattened configs or environments differ, thousands of them fast."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from bnexp.runs.record import Scalar, SharedMapping

T = TypeVar("T")
_NUMBERS = itertools.count()
_ABSENT: Any = object()


def differing_keys(mappings: Iterable[Mapping[str, Scalar]]) -> tuple[str, ...]:
    """Returns the keys whose values are not the same in all mappings, or missing in some."""
    mappings = distinct(mappings)
    if len(mappings) < 2:
        return ()
    first, *others = mappings
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return tuple(key for key in keys if any(_differs(first, other, key) for other in others))


def _differs(one: Mapping[str, Scalar], other: Mapping[str, Scalar], key: str) -> bool:
    mine, its = one.get(key, _ABSENT), other.get(key, _ABSENT)
    if type(mine) is type(its):  # nearly always
        return mine is not its and mine != its
    return _token(one, key) != _token(other, key)


def _token(mapping: Mapping[str, Scalar], key: str) -> tuple[bool, bool, Hashable]:
    """Returns a value that is equal for 5 and 5.0, and apart for true and 1, null and absent."""
    value = mapping.get(key)
    return key in mapping, isinstance(value, bool), value


def distinct(
    mappings: Iterable[Mapping[str, Scalar]], without: Iterable[str] = ()
) -> list[Mapping[str, Scalar]]:
    """Returns one of each kind of mapping, less some keys: thousands of runs have few configs.

    Two of a kind may be left, if the keys stand in another order.
    """
    left_out = tuple(without)
    roots = [_find_root(mapping, left_out) for mapping in mappings]
    kinds = {id(root): root for root in roots}.values()
    return [*dict(_find_kind(Reference(kind), left_out) for kind in kinds).values()]


def _find_root(mapping: Mapping[str, Scalar], without: tuple[str, ...]) -> Mapping[str, Scalar]:
    """Returns what a mapping shares with others, if what it does not is left out anyway."""
    if isinstance(mapping, SharedMapping) and mapping.own in without:
        return mapping.shared
    return mapping


class Reference(Generic[T]):
    """Something as a key: the very same object, whatever it holds."""

    __slots__ = ("thing",)

    def __init__(self, thing: T) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and other.thing is self.thing


@functools.lru_cache(maxsize=40_000)
def _find_kind(
    reference: Reference[Mapping[str, Scalar]], without: tuple[str, ...]
) -> tuple[int, Mapping[str, Scalar]]:
    """Returns a mapping less some keys, with a number that equal ones share."""
    content = dict(reference.thing)
    for key in without:
        content.pop(key, None)
    values = tuple(content.values())
    return _number((tuple(content), values, tuple(map(type, values)))), content


@functools.lru_cache(maxsize=40_000)
def _number(_: Hashable) -> int:
    return next(_NUMBERS)


def is_below(key: str, root: str) -> bool:
    """Returns whether a dotted key is the root or one of the keys under it."""
    return key == root or key.startswith(f"{root}.")
