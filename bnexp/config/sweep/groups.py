"""Which cells are tuned together, and which of them are tried for all that use the choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bnexp.config.claim.cells import Variant
from bnexp.config.sweep.choices import find_key_problem, overlap
from bnexp.config.sweep.tuning import TuneConfig
from bnexp.config.yaml.node import Node
from bnexp.errors import Problem
from bnexp.wording import count

Group = tuple[Any, ...]
"""What cells share that use the same tuned values."""


def group_cells(tune: TuneConfig, variants: Sequence[Variant]) -> Mapping[str, Group]:
    """Returns the group of each cell, by its name."""
    return {
        one.name: tuple(map(one.find, tune.each or ())) if tune.shares else (one.name,)
        for one in variants
    }


def find_tuned_cells(tune: TuneConfig, variants: Sequence[Variant]) -> frozenset[str]:
    """Returns the names of the cells that are tried: all, or those of the arm `in`."""
    return frozenset(one.name for one in variants if one.has(tune.only_in or {}))


def find_group_problems(
    tune: TuneConfig, place: Node, variants: Sequence[Variant]
) -> Iterator[Problem]:
    """Yields keys that no cell has, and cells for which nothing would be tried.

    Args:
        tune: What is tuned.
        place: The section `sweep.tune`, where it is written.
        variants: The cells.
    """
    for key, node in zip(tune.each or (), place.section("each").items, strict=False):
        if reason := _find_key_problem(key, tune, variants):
            yield node.position.problem(reason, "sweep.tune.each")
            return
    tuned = find_tuned_cells(tune, variants)
    position = place.section("in").position
    if not tuned:
        yield position.problem("no cell has all of these values", "sweep.tune.in")
        return
    groups = group_cells(tune, variants)
    served = {groups[name] for name in tuned}
    if left := [name for name, group in groups.items() if group not in served]:
        others = f" and {count(len(left) - 1, 'other')}" if left[1:] else ""
        keys = " and ".join(tune.each or ())
        reason = f"nothing is tried for {left[0]}{others}: no cell with these values has the same"
        yield position.problem(f"{reason} {keys}", "sweep.tune.in")


def _find_key_problem(key: str, tune: TuneConfig, variants: Sequence[Variant]) -> str | None:
    """Returns why cells cannot be told apart by a key; None if they can."""
    if reason := find_key_problem(key):
        return reason
    if any(overlap(key, tuned) for tuned in tune.over):
        return f"'{key}' is tuned, so all cells share it before"
    num_having = sum(key in one.config for one in variants)
    if num_having == len(variants):
        return None
    inner = {name for one in variants for name in one.config if name.startswith(f"{key}.")}
    if inner:
        example = f"{key}.name" if f"{key}.name" in inner else min(inner)
        return f"'{key}' is a section; name keys in it, e.g. {example}"
    reason = "no cell has" if not num_having else f"only {num_having} of {len(variants)} cells have"
    return f"{reason} the key '{key}'"
