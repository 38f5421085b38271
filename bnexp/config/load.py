"""From a YAML file to the runs it asks for: the only reader of configs; raw values end here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig, SweepConfig
from bnexp.config.problems import dotted, explain, locate
from bnexp.config.sweep import Cell, Setting, expand_cells
from bnexp.config.tree import apply_overrides, read_tree
from bnexp.config.yaml_reader import Node
from bnexp.errors import ConfigError, Problem


@dataclass(frozen=True)
class RunSpec:
    """One run to do: the resolved config of one cell with one seed."""

    cell: str
    settings: Mapping[str, Setting]
    """The swept keys with this cell's values, in the sweep's order."""
    seed: int
    config: ExperimentConfig
    """Without a sweep, its `train.seed` being `seed`."""


@dataclass(frozen=True)
class Experiment:
    """A config file, read and checked: its name, its runs, and what looks suspicious in it."""

    name: str
    runs: tuple[RunSpec, ...]
    """Cell by cell in the sweep's order, seed by seed within a cell."""
    warnings: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of the cells, in order."""
        return tuple(dict.fromkeys(run.cell for run in self.runs))


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Reads a config with its overrides and returns every run that it asks for.

    Raises:
        UsageError: A file cannot be read, or an override is not `key=value`.
        ConfigError: All mistakes of the file, its bases, its overrides and its sweep.
    """
    tree = apply_overrides(read_tree(path), overrides)
    sweep = _validate_sweep(tree)
    _refuse_swept_overrides(overrides, sweep)
    base = _without_sweep(tree)
    seeds = _read_seeds(tree, sweep)
    cells = expand_cells(_child(tree, "sweep"), sweep.max_runs, len(seeds))
    runs: list[RunSpec] = []
    problems: list[Problem] = []
    warnings: dict[str, None] = {}
    for cell in cells:
        try:
            config = _validate_cell(cell, base, warnings)
        except ConfigError as error:
            problems += error.problems
            continue
        runs += [_build_run(cell, config, seed) for seed in seeds]
    if problems:
        raise ConfigError(problems)
    return Experiment(runs[0].config.name, tuple(runs), tuple(warnings))


def _validate_sweep(tree: Node) -> SweepConfig:
    """Validates the sweep itself; mistakes elsewhere are found cell by cell.

    Where the sweep is wrong, the rest of the file is checked as well, so that all
    mistakes are told at once.
    """
    raw = (tree.mapping or {}).get("sweep")
    if raw is None or raw.value is None:
        return SweepConfig()
    problems: list[Problem] = []
    try:
        sweep = SweepConfig.model_validate(raw.plain())
        problems = _find_empty_axes(raw, sweep)
    except ValidationError as error:
        problems = [
            Problem(found.file, found.line, found.column, _below("sweep", found.path), found.reason)
            for found in explain(error, raw, SweepConfig)
        ]
    if not problems:
        return sweep
    try:
        _validate(_without_sweep(tree))
    except ConfigError as error:
        problems += error.problems
    raise ConfigError(problems)


def _find_empty_axes(raw: Node, sweep: SweepConfig) -> list[Problem]:
    return [
        places.key_position(key).problem("needs at least one value", f"sweep.{part}.{key}")
        for part, lists in (("grid", sweep.grid), ("zip", sweep.zip))
        for key, values in (lists or {}).items()
        if not values and (places := _child(raw, part))
    ]


def _validate_cell(cell: Cell, base: Node, warnings: dict[str, None]) -> ExperimentConfig:
    tree = cell.apply(base)
    config = _validate(tree)
    problems = []
    for finding in check_experiment(config):
        place = locate(tree, finding.path)
        problem = place.problem(finding.reason, dotted(finding.path))
        if finding.is_error:
            problems.append(problem)
        else:
            warnings[str(problem)] = None
    if problems:
        raise ConfigError(problems)
    return config


def _validate(tree: Node) -> ExperimentConfig:
    try:
        return ExperimentConfig.model_validate(tree.plain())
    except ValidationError as error:
        raise ConfigError(explain(error, tree, ExperimentConfig)) from error


def _build_run(cell: Cell, config: ExperimentConfig, seed: int) -> RunSpec:
    settings = {choice.key: choice.setting for choice in cell.choices}
    train = config.train.model_copy(update={"seed": seed})
    return RunSpec(cell.name, settings, seed, config.model_copy(update={"train": train}))


def _read_seeds(tree: Node, sweep: SweepConfig) -> tuple[int, ...]:
    if sweep.seeds is None:
        own = _child(tree, "train", "seed")
        is_seed = own is not None and isinstance(own.value, int)
        return (own.value,) if own is not None and is_seed else (0,)
    return tuple(range(sweep.seeds)) if isinstance(sweep.seeds, int) else sweep.seeds


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


def _without_sweep(tree: Node) -> Node:
    children = {key: child for key, child in tree.value.items() if key != "sweep"}
    return Node(children, tree.position, tree.keys)


def _child(node: Node, *keys: str) -> Node | None:
    for key in keys:
        found = (node.mapping or {}).get(key)
        if found is None:
            return None
        node = found
    return node


def _below(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if path else prefix
