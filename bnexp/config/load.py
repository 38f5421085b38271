"""From a YAML file to the runs it asks for: the only reader of configs; raw values end here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bnexp.config.cell_problems import CheckedCell, place_problems, places_in
from bnexp.config.checks import check_experiment
from bnexp.config.claim.cells import Variant, find_claim_problems
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.sweep.cells import Cell, every_choice, swept_keys
from bnexp.config.sweep.choices import Choice, as_setting
from bnexp.config.sweep.reader import read_cells
from bnexp.config.yaml.node import Node, Position
from bnexp.config.yaml.problems import REQUIRED, collecting, dotted, explain, find_node, locate
from bnexp.config.yaml.tree import apply_overrides, as_node, read_tree
from bnexp.errors import ConfigError, Problem
from bnexp.runs.record import Scalar, flatten

MOST_WRONG_CELLS = 200
"""Cells that are looked at where there are mistakes; without mistakes it is all of them."""


@dataclass(frozen=True)
class RunSpec:
    """One run to do: the resolved config of one cell with one seed."""

    cell: str
    settings: Mapping[str, Scalar]
    """The swept keys with this cell's values, in the sweep's order: grid, zip, include.

    A key that only another cell's include sets has the value that the config gives it
    here, null where the config has no such key."""
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
    problems: list[Problem] = []
    tree = apply_overrides(read_tree(path, problems), overrides, problems)
    is_whole = not problems
    cells, seeds = read_cells(tree, overrides, problems)
    base = _without_sweep(tree)
    warnings: dict[str, None] = {}
    if not is_whole or not cells:
        problems += _find_mistakes(tree, cells, is_whole)
        raise ConfigError(problems)
    runs = _build_runs(cells, seeds, base, warnings, problems)
    problems += _find_included_twice(cells, runs)
    if not problems:
        problems += _find_unanswerable_claims(tree, runs)
    if not problems:
        # A value that every cell replaces must be right as well: who wrote it meant it.
        problems += _find_mistakes(base, (), is_whole=False)
    if problems:
        raise ConfigError(problems)
    return Experiment(runs[0].config.name, tuple(runs), tuple(warnings))


def _find_mistakes(tree: Node, cells: Sequence[Cell], is_whole: bool) -> list[Problem]:
    """Returns what else is wrong in a config that cannot be run anyway.

    Without cells, keys that the sweep would set are left out, and each of its values is
    looked at by itself; in a tree that is not whole,
    keys that are required, as the missing piece may hold them.
    """
    base = _without_sweep(tree)
    checked: list[CheckedCell] = []
    for cell in cells[:MOST_WRONG_CELLS] or [Cell("base", ())]:
        found: list[Problem] = []
        with collecting(found):
            _validate(cell.apply(base))
        checked.append((cell, found))
    swept = set() if cells else swept_keys(tree.child("sweep"))
    mistakes = [
        problem
        for problem in place_problems(checked, len(cells))
        if not _is_at_any(problem.path, swept)
        and (is_whole or not problem.reason.startswith(REQUIRED))
    ]
    alone = () if cells else every_choice(tree.child("sweep"))[:MOST_WRONG_CELLS]
    keys = {choice.key for choice in alone}
    return mistakes + [
        problem
        for choice in alone
        for problem in _find_wrong_value(choice, base)
        if not _is_at_any(problem.path, keys - {choice.key})
    ]


def _find_wrong_value(choice: Choice, base: Node) -> list[Problem]:
    """Returns what is wrong with one value of the sweep, whatever the others are."""
    found: list[Problem] = []
    with collecting(found):
        _validate(Cell("", (choice,)).apply(base))
    places = {choice.place, *places_in(choice.value)}
    return [
        problem
        for problem in found
        if Position(problem.file, problem.line, problem.column) in places
        and not problem.reason.startswith(REQUIRED)
    ]


def _is_at_any(path: str, keys: Iterable[str]) -> bool:
    """Whether a path leads to, into or around one of the keys, or the part that one names."""
    return any(_are_related(path, key.removesuffix(".name")) for key in keys)


def _are_related(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


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


def _find_unanswerable_claims(tree: Node, runs: Sequence[RunSpec]) -> list[Problem]:
    claims = runs[0].config.claim
    if not claims:
        return []
    cells = {run.cell: run for run in runs}
    variants = [
        Variant(name, run.settings, flatten(run.config.model_dump(mode="json", exclude={"claim"})))
        for name, run in cells.items()
    ]
    return [
        locate(tree, ("claim", index, *problem.path)).problem(
            problem.reason, _claim_path(tree, index, problem.path)
        )
        for index, claim in enumerate(claims)
        for problem in find_claim_problems(claim, variants)
    ]


def _claim_path(tree: Node, index: int, path: tuple[str, ...]) -> str:
    node = tree.child("claim")
    is_list = node is not None and isinstance(node.value, list)
    return dotted(("claim", index, *path) if is_list else ("claim", *path))


def _find_settings(
    cell: Cell, swept: Sequence[str], base: Node, config: ExperimentConfig
) -> dict[str, Scalar]:
    settings = {choice.key: choice.setting for choice in cell.choices}
    if len(settings) == len(swept):
        return settings
    written = cell.apply(base)
    resolved = as_node(config.model_dump(mode="json"), base.position)
    for key in swept:
        if key not in settings:
            found = find_node(written, key) or _name_part(find_node(resolved, key))
            settings[key] = as_setting(found) if found else None
    return {key: settings[key] for key in swept}


def _name_part(default: Node | None) -> Node | None:
    """Returns the name alone of a part that is not written, whose options are all defaults."""
    return default and (default.mapping or {}).get("name", default)


def _find_included_twice(cells: Sequence[Cell], runs: Sequence[RunSpec]) -> list[Problem]:
    """Returns a problem for each include that makes a cell that is there without it."""
    includes = {cell.name: cell.include for cell in cells if cell.include}
    if not includes:
        return []
    problems = []
    names: dict[tuple[str, str, int | None], str] = {}
    for run in {run.cell: run for run in runs}.values():
        train = run.config.train
        content = (run.config.fingerprint(), train.device, train.threads)
        first = names.setdefault(content, run.cell)
        place = includes.get(run.cell)
        if place and first != run.cell:
            problems.append(place.problem(f"is the same as the cell '{first}'", "sweep.include"))
    return problems


def _build_runs(
    cells: Sequence[Cell],
    seeds: Sequence[int],
    base: Node,
    warnings: dict[str, None],
    problems: list[Problem],
) -> list[RunSpec]:
    """Returns the runs of the cells that are right; what is wrong in others goes to `problems`."""
    swept = tuple(dict.fromkeys(choice.key for cell in cells for choice in cell.choices))
    runs: list[RunSpec] = []
    checked: list[CheckedCell] = []
    is_wrong = bool(problems)
    for cell in cells:
        if is_wrong and len(checked) >= MOST_WRONG_CELLS:
            break  # the rest would say the same again, ten thousand times at worst
        found: list[Problem] = []
        with collecting(found):
            config = _validate_cell(cell, base, warnings)
            settings = _find_settings(cell, swept, base, config)
            runs += [_build_run(cell.name, settings, config, seed) for seed in seeds]
        checked.append((cell, found))
        is_wrong = is_wrong or bool(found)
    problems += place_problems(checked, len(cells))
    return runs


def _build_run(
    cell: str, settings: Mapping[str, Scalar], config: ExperimentConfig, seed: int
) -> RunSpec:
    train = config.train.model_copy(update={"seed": seed})
    return RunSpec(cell, settings, seed, config.model_copy(update={"train": train}))


def _without_sweep(tree: Node) -> Node:
    children = {key: child for key, child in tree.value.items() if key != "sweep"}
    return Node(children, tree.position, tree.keys)
