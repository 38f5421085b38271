"""Finds the keys in which flattened configs or environments differ, thousands of them fast."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from bnexp.runs.record import Scalar

T = TypeVar("T")
_NUMBERS = itertools.count()


def differing_keys(mappings: Iterable[Mapping[str, Scalar]]) -> tuple[str, ...]:
    """Returns the keys whose values are not the same in all mappings, or missing in some."""
    mappings = distinct(mappings)
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return tuple(key for key in keys if len({_token(mapping, key) for mapping in mappings}) > 1)


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
    return [*dict(_find_kind(Reference(mapping), left_out) for mapping in mappings).values()]


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
