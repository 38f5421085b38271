"""Reads the section `sweep` of a config: its cells and seeds, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bnexp.config.sweep.cells import Cell, expand_cells
from bnexp.config.sweep.choices import Row, overlap
from bnexp.config.sweep.config import LooksConfig, SweepConfig
from bnexp.config.sweep.names import name_cells
from bnexp.config.sweep.tuning import TuneConfig, find_tune_problems, list_combinations
from bnexp.config.yaml.node import Node
from bnexp.config.yaml.problems import validate
from bnexp.errors import ConfigError, Problem


@dataclass(frozen=True)
class Sweep:
    """What a config asks for: its cells, each to be trained with every seed."""

    cells: Sequence[Cell] = ()
    """None if the sweep is wrong."""
    seeds: Sequence[int] = ()
    looks: tuple[int, ...] = ()
    """Numbers of seeds after which claims are looked at; none if it is after all of them."""
    tune: TuneConfig | None = None
    candidates: Sequence[tuple[Cell, Row, Cell]] = ()
    """Each cell with each combination of `tune`: also as the cell that its tuning runs are of."""


def read_sweep(tree: Node, overrides: Sequence[str], problems: list[Problem]) -> Sweep:
    """Returns the cells, seeds and looks of a config; what is wrong goes to `problems`."""
    raw = tree.section("sweep")
    try:
        sweep = _validate_sweep(raw, problems)
        problems += _find_swept_overrides(tree, overrides, sweep)
        seeds = _read_seeds(tree, sweep)
        looks = sweep.seeds.looks if isinstance(sweep.seeds, LooksConfig) else ()
        cells = expand_cells(raw, sweep.max_runs, len(seeds))
        if not sweep.tune:
            return Sweep(cells, seeds, looks)
        candidates = _read_candidates(raw, sweep, sweep.tune, cells, seeds)
        return Sweep(cells, seeds, looks, sweep.tune, candidates)
    except ConfigError as error:
        problems += error.problems
        return Sweep()


def _read_candidates(
    raw: Node, sweep: SweepConfig, tune: TuneConfig, cells: Sequence[Cell], seeds: Sequence[int]
) -> list[tuple[Cell, Row, Cell]]:
    """Returns each cell with each combination of `tune`.

    Raises:
        ConfigError: `tune` is wrong, or makes too many runs.
    """
    swept = {choice.key: choice.part for cell in cells for choice in cell.choices}
    problems = [*find_tune_problems(raw, swept, seeds)]
    combinations = math.prod(len(values) for values in tune.over.values())
    runs = len(cells) * (len(seeds) + combinations * len(tune.seeds))
    if runs > sweep.max_runs:
        reason = f"{runs:,} runs with tuning are more than sweep.max_runs, {sweep.max_runs:,}"
        problems.append(raw.section("tune").position.problem(reason, "sweep.tune"))
    if problems:
        raise ConfigError(problems)
    found = [(cell, row) for cell in cells for row in list_combinations(raw)]
    rows = [(*cell.choices, *row) for cell, row in found]
    is_added = [cell.include is not None for cell, _ in found]
    keys = [*(sweep.grid or ()), *(sweep.zip or ()), *tune.over]
    names = name_cells(
        [row for row, added in zip(rows, is_added, strict=True) if not added],
        [row for row, added in zip(rows, is_added, strict=True) if added],
        keys,
    )
    return [
        (cell, row, Cell(name, whole))
        for (cell, row), whole, name in zip(found, rows, names, strict=True)
    ]


def _validate_sweep(raw: Node, problems: list[Problem]) -> SweepConfig:
    """Validates the sweep itself; mistakes elsewhere are found cell by cell.

    If nothing but its seeds is wrong, that goes to `problems`: its cells are certain.
    """
    if raw.value is None:
        return SweepConfig()
    try:
        return validate(raw, SweepConfig)
    except ConfigError as error:
        below = [replace(one, path=f"sweep.{one.path}".rstrip(".")) for one in error.problems]
        if any(one.path.split(".")[1:2] != ["seeds"] for one in below):
            raise ConfigError(below) from error
        problems += below
        return validate(raw.without("seeds"), SweepConfig)


def _read_seeds(tree: Node, sweep: SweepConfig) -> Sequence[int]:
    if sweep.seeds is None:
        own = tree.child("train", "seed")
        return (own.value,) if own and isinstance(own.value, int) else (0,)
    if isinstance(sweep.seeds, LooksConfig):
        return sweep.seeds.seeds
    return range(sweep.seeds) if isinstance(sweep.seeds, int) else sweep.seeds


def _find_swept_overrides(
    tree: Node, overrides: Sequence[str], sweep: SweepConfig
) -> Iterator[Problem]:
    """Yields a problem for each override that the sweep would undo, wholly or in part."""
    swept = dict.fromkeys(sweep.grid or (), "sweep.grid")
    swept |= dict.fromkeys(sweep.zip or (), "sweep.zip")
    swept |= dict.fromkeys(sweep.tune.over if sweep.tune else (), "sweep.tune.over")
    for override in overrides:
        key = override.partition("=")[0].strip()
        for other, part in swept.items():
            if reason := _find_clash(key, other, part):
                yield Problem(f"-s {override}", 1, 1, key, reason)
    train = tree.child("train")
    place = train.key_position("seed") if train and train.child("seed") else None
    if sweep.seeds is not None and place is not None and place.is_override:
        yield place.problem("sweep.seeds sets this key; change it there", "train.seed")


def _find_clash(key: str, swept: str, part: str) -> str | None:
    """Returns why a key cannot be overridden beside one that is swept, or None if it can."""
    if key == swept:
        return f"{part} sets this key; change it there"
    if swept.startswith(f"{key}."):
        return f"holds '{swept}', which {part} sets; change it there, or override keys beside it"
    if key.startswith(f"{swept}."):
        return f"lies inside '{swept}', which {part} sets; change it there"
    return None


def find_lost_overrides(
    overrides: Sequence[str], base: Node, cells: Sequence[Cell]
) -> Iterator[Problem]:
    """Yields a problem for each override that no cell has, as setting another key discards it.

    Of several overrides of one key, the last counts.

    Args:
        overrides: Right ones.
        base: The config with its overrides, without its sweep.
        cells: Right ones.
    """
    by_key = {override.partition("=")[0].strip(): override for override in overrides}
    others = [*(choice.key for cell in cells for choice in cell.choices), *by_key]
    for key, override in by_key.items():
        if key.split(".")[0] != "sweep" and not any(
            (node := cell.apply(base).child(*key.split(".")))
            and node.position.file == f"-s {override}"
            for cell in cells
        ):
            other = next((one for one in others if one != key and overlap(key, one)), key)
            reason = f"has no effect, as setting '{other}' discards it"
            yield Problem(f"-s {override}", 1, 1, key, reason)
