"""Reads the section `sweep` of a config: its cells and seeds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from bnexp.config.sweep.cells import Cell, expand_cells
from bnexp.config.sweep.config import SweepConfig
from bnexp.config.yaml.node import Node
from bnexp.config.yaml.problems import collecting, explain
from bnexp.errors import ConfigError, Problem


def read_cells(
    tree: Node, overrides: Sequence[str], problems: list[Problem]
) -> tuple[list[Cell], Sequence[int]]:
    """Returns the sweep's cells and seeds; no cells where it is wrong."""
    try:
        sweep = _validate_sweep(tree, problems)
        with collecting(problems):
            _refuse_swept_overrides(overrides, sweep)
        seeds = _read_seeds(tree, sweep)
        return expand_cells(tree.child("sweep"), sweep.max_runs, len(seeds)), seeds
    except ConfigError as error:
        problems += error.problems
        return [], ()


def _validate_sweep(tree: Node, problems: list[Problem]) -> SweepConfig:
    """Validates the sweep itself; mistakes elsewhere are found cell by cell.

    Where nothing but its seeds is wrong, that goes to `problems`: its cells are certain.
    """
    raw = (tree.mapping or {}).get("sweep")
    if raw is None or raw.value is None:
        return SweepConfig()
    try:
        sweep = SweepConfig.model_validate(raw.plain())
    except ValidationError as error:
        found = explain(error, raw, SweepConfig)
        below = [replace(problem, path=_below("sweep", problem.path)) for problem in found]
        if {detail["loc"][:1] for detail in error.errors()} != {("seeds",)}:
            raise ConfigError(below) from error
        problems += below
        sweep = SweepConfig.model_validate({**raw.plain(), "seeds": None})
    if empty := _find_empty_axes(raw, sweep):
        raise ConfigError(empty)
    return sweep


def _find_empty_axes(raw: Node, sweep: SweepConfig) -> list[Problem]:
    return [
        places.key_position(key).problem("needs at least one value", f"sweep.{part}.{key}")
        for part, lists in (("grid", sweep.grid), ("zip", sweep.zip))
        for key, values in (lists or {}).items()
        if not values and (places := raw.child(part))
    ]


def _read_seeds(tree: Node, sweep: SweepConfig) -> Sequence[int]:
    if sweep.seeds is None:
        own = tree.child("train", "seed")
        is_seed = own is not None and isinstance(own.value, int)
        return (own.value,) if own is not None and is_seed else (0,)
    return range(sweep.seeds) if isinstance(sweep.seeds, int) else sweep.seeds


def _refuse_swept_overrides(overrides: Sequence[str], sweep: SweepConfig) -> None:
    swept = dict.fromkeys(sweep.grid or (), "sweep.grid")
    swept |= dict.fromkeys(sweep.zip or (), "sweep.zip")
    if sweep.seeds is not None:
        swept["train.seed"] = "sweep.seeds"
    problems = [
        Problem(f"-s {override}", 1, 1, key, f"{swept[key]} sets this key; change it there")
        for override in overrides
        if (key := override.partition("=")[0].strip()) in swept
    ]
    if problems:
        raise ConfigError(problems)


def _below(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if path else prefix
