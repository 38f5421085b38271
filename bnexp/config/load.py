"""From a YAML file to the runs it asks for: the only reader of configs; raw values end here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnexp.config.checks import check_experiment
from bnexp.config.claim.cells import (
    Variant,
    find_claim_problems,
    find_seed_problems,
    leave_out_included,
)
from bnexp.config.claim.config import ClaimConfig
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.finding import Finding, dotted
from bnexp.config.sweep.cells import Cell
from bnexp.config.sweep.choices import Row, as_setting, find_key_problem, overlap, read_all_choices
from bnexp.config.sweep.groups import find_group_problems, find_tuned_cells, group_cells
from bnexp.config.sweep.reader import Sweep, find_lost_overrides, read_sweep
from bnexp.config.sweep.tuning import TuneConfig
from bnexp.config.tiers import (
    find_malformed_tiers,
    find_tier_problems,
    name_tier,
    place_in_tier,
    put_tier,
)
from bnexp.config.yaml.node import Node
from bnexp.config.yaml.problems import REQUIRED, collecting, locate, validate
from bnexp.config.yaml.tree import apply_overrides, read_tree
from bnexp.errors import ConfigError, Problem
from bnexp.runs.record import RunRecord, Scalar
from bnexp.runs.run_dir import TUNING, RunDir
from bnexp.wording import count

MOST_WRONG_CELLS = 200
"""Cells that are looked at if there are mistakes; without mistakes it is all of them."""


@dataclass(frozen=True)
class RunSpec:
    """One run to do: the resolved config of one cell with one seed."""

    cell: str
    settings: Mapping[str, Scalar]
    """The swept keys with this cell's values, in the sweep's order: grid, zip, include.

    A key that only another cell's include sets has the value that the config gives it
    here, null if the config has no such key."""
    seed: int
    config: ExperimentConfig
    """Without a sweep, its `train.seed` being `seed`."""
    cell_index: int = 0
    """The place of the cell in its sweep, so that tables keep the sweep's order."""
    tunes: str | None = None
    """The cell for which a tuning run tries a value; None for a measured run."""
    tuning: Mapping[str, Any] | None = None
    """How the values of tuned keys were chosen, for the run's environment.json."""
    extends: str | None = None
    """The experiment from whose finished, shorter run of this cell and seed it goes on; None
    starts at step 0."""

    @property
    def name(self) -> str:
        """The run within its experiment, e.g. `norm=batch seed=0`."""
        return f"{self.cell} seed={self.seed}"

    @property
    def identity(self) -> dict[str, Any]:
        """What the run's status on disk says it is."""
        return {
            "experiment": f"{self.config.name}/{TUNING}" if self.tunes else self.config.name,
            "cell": self.cell,
            "settings": dict(self.settings),
            "seed": self.seed,
            "fingerprint": self.config.fingerprint(),
            "cell_index": self.cell_index,
        }


@dataclass(frozen=True)
class Candidate:
    """A cell with one combination of the values that tuning tries."""

    cell: str
    values: Mapping[str, Any]
    config: ExperimentConfig
    """That of its measured runs if it is chosen, but for their seeds."""
    runs: tuple[RunSpec, ...]
    """Its tuning runs, which take nothing that the choice does not need."""
    group: tuple[Any, ...]
    """What it shares with the cells that are tuned with it: they all use what is best."""
    is_tried: bool
    """Whether these are trained; False outside of the arm that is tuned for others."""


@dataclass(frozen=True)
class Tuning:
    """What is tried before the measured runs."""

    config: TuneConfig
    candidates: tuple[Candidate, ...]

    @property
    def runs(self) -> tuple[RunSpec, ...]:
        """The tuning runs."""
        return tuple(run for one in self.candidates if one.is_tried for run in one.runs)


@dataclass(frozen=True)
class Experiment:
    """A config file, read and checked: its name, its runs, and what looks suspicious in it."""

    name: str
    runs: tuple[RunSpec, ...]
    """Cell by cell in the sweep's order, seed by seed within a cell."""
    warnings: tuple[str, ...]
    looks: tuple[int, ...] = ()
    """Numbers of seeds after which claims are looked at; none if it is after all of them."""
    tuning: Tuning | None = None
    """None if nothing is tuned, and in what `choose` returns."""

    def choose(self, chosen: Mapping[str, tuple[Candidate, Mapping[str, Any]]]) -> Experiment:
        """Returns the experiment with the candidate that was chosen for each cell, and how."""
        runs = []
        for run in self.runs:
            candidate, record = chosen[run.cell]
            config = _with_seed(candidate.config, run.seed)
            runs.append(replace(run, config=config, tuning=record))
        return replace(self, runs=tuple(runs), tuning=None)

    def list_possible(self) -> Iterator[ExperimentConfig]:
        """Yields the config of each measured run, with all values that tuning may choose."""
        tried = self.tuning.candidates if self.tuning else ()
        for run in self.runs:
            found = [one.config for one in tried if one.cell == run.cell]
            yield from (_with_seed(config, run.seed) for config in found or [run.config])

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of the cells, in order."""
        return tuple(dict.fromkeys(run.cell for run in self.runs))


def load_experiment(
    path: Path, overrides: Sequence[str] = (), tier: str | None = None
) -> Experiment:
    """Reads a config with one of its tiers and overrides; returns every run that it asks for.

    Raises:
        UsageError: A file cannot be read, an override is not `key=value`, or there is no such
            tier.
        ConfigError: All mistakes of the file, its bases, its tiers, its overrides and its sweep.
    """
    problems: list[Problem] = []
    whole = read_tree(path, problems)
    malformed = find_malformed_tiers(whole)
    problems += malformed.values()
    if malformed:
        tier = None if tier in malformed or "" in malformed else tier
        whole = whole.without("tiers") if tier is None else whole
    tree = apply_overrides(put_tier(whole, tier), overrides, problems)
    try:
        experiment = _load(name_tier(tree, tier), overrides, problems)
    except ConfigError as error:
        problems = [place_in_tier(problem, whole, tier) for problem in error.problems]
    if not malformed:
        problems += find_tier_problems(whole, tier, _find_problems)
    if problems:
        raise ConfigError(problems)
    return experiment


def restore_spec(record: RunRecord, overrides: Sequence[str] = ()) -> RunSpec:
    """Returns what a run was to do, from the config in its folder.

    Raises:
        UsageError, ConfigError: As for `load_experiment`.
    """
    run = load_experiment(RunDir(record.path).config, overrides).runs[0]
    # As an experiment of its own, the config has a name made of the whole path.
    named = run.config.model_copy(update={"name": record.experiment})
    return replace(run, cell=record.cell, config=named)


def _find_problems(tree: Node) -> Sequence[Problem]:
    try:
        _load(tree, (), [])
    except ConfigError as error:
        return error.problems
    return ()


def _load(tree: Node, overrides: Sequence[str], problems: list[Problem]) -> Experiment:
    """Returns the experiment of a tree without tiers, whose reading found the `problems`."""
    is_whole = not problems
    sweep = read_sweep(tree, overrides, problems)
    cells, seeds = sweep.cells, sweep.seeds
    base = tree.without("sweep")
    if not is_whole or not cells:
        raise ConfigError([*problems, *_find_certain_mistakes(base, tree.section("sweep"))])
    warnings: dict[str, None] = {}
    runs = _build_runs(cells, seeds, base, warnings, problems)
    problems += _find_included_twice(cells, runs)
    if not problems:
        runs = _with_claims(runs, _complete_claims(cells, runs))
    tuning = None if problems else _build_tuning(sweep, base, tree, runs, problems)
    if not problems:
        problems += find_lost_overrides(overrides, base, cells)
        problems += _find_unanswerable_claims(tree, runs, sweep)
    if not problems:
        # A value that every cell replaces must be right as well: who wrote it meant it.
        problems += _find_certain_mistakes(base, base.section("sweep"))
    if problems:
        raise ConfigError(problems)
    return Experiment(runs[0].config.name, tuple(runs), tuple(warnings), sweep.looks, tuning)


def _find_certain_mistakes(base: Node, sweep: Node) -> list[Problem]:
    """Returns what is wrong in the config, or in a value of the sweep, whatever the cells are.

    A key that is missing is not certain, as a part that could not be read may hold it; nor is
    a mistake that is due to another swept key.
    """
    choices = [one for one in read_all_choices(sweep) if find_key_problem(one.key) is None]
    alone: list[Row] = [(), *((choice,) for choice in choices[:MOST_WRONG_CELLS])]
    keys = {choice.key for choice in choices}
    certain: list[Problem] = []
    for row in alone:
        others = keys - {choice.key for choice in row}
        found: list[Problem] = []
        with collecting(found):
            validate(Cell("", row).apply(base), ExperimentConfig)
        certain += [one for one in found if not any(overlap(one.path, key) for key in others)]
    return [problem for problem in certain if not problem.reason.startswith(REQUIRED)]


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
    failing: dict[Problem, list[str]] = {}
    checked = 0
    for cell in cells:
        if (problems or failing) and checked >= MOST_WRONG_CELLS:
            break  # the rest would say the same again, ten thousand times at worst
        checked += 1
        try:
            tree = cell.apply(base)
            config = validate(tree, ExperimentConfig)
            _check(config, tree, warnings, cell, base)
        except ConfigError as error:
            for problem in error.problems:
                failing.setdefault(problem, []).append(cell.name)
        else:
            settings = _find_settings(cell, swept, tree, config)
            for seed in seeds:
                seeded = _with_seed(config, seed)
                runs.append(RunSpec(cell.name, settings, seed, seeded, checked - 1))
    at_least = "at least " if checked < len(cells) else ""
    for problem, names in failing.items():
        others = f" and {at_least}{count(len(names) - 1, 'other')}" if len(names) > 1 else ""
        where = f" (in cell {names[0]}{others})" if len(names) < checked else ""
        problems.append(replace(problem, reason=problem.reason + where))
    return runs


def _with_seed(config: ExperimentConfig, seed: int) -> ExperimentConfig:
    train = config.train.model_copy(update={"seed": seed})
    return config.model_copy(update={"train": train})


def _build_tuning(
    sweep: Sweep, base: Node, tree: Node, runs: Sequence[RunSpec], problems: list[Problem]
) -> Tuning | None:
    """Returns what is tried for the measured runs; what is wrong with it goes to `problems`."""
    tune = sweep.tune
    if tune is None:
        return None
    place = tree.child("sweep", "tune") or tree
    data = [run.config.data for run in runs]
    if any(one.val_size == 0 and one.name != "image_folder" for one in data):
        reason = "is measured on validation images, and there are none; set data.val_size"
        problems.append((place.child("by") or place).position.problem(reason, "sweep.tune.by"))
    variants = [variant for _, variant in _list_variants(runs)]
    problems += find_group_problems(tune, place, variants)
    groups, tuned = group_cells(tune, variants), find_tuned_cells(tune, variants)
    found: list[Problem] = []
    tried = _build_runs([cell for *_, cell in sweep.candidates], tune.seeds, base, {}, found)
    problems += found
    if found:
        return None
    tried = _with_claims(tried, runs[0].config.claim)
    by_name: dict[str, list[RunSpec]] = {}
    for run in tried:
        by_name.setdefault(run.cell, []).append(run)
    candidates = tuple(
        Candidate(
            cell.name,
            {choice.key: choice.value.plain() for choice in row},
            by_name[whole.name][0].config,
            tuple(_as_tuning_run(run, cell.name) for run in by_name[whole.name]),
            groups[cell.name],
            cell.name in tuned,
        )
        for cell, row, whole in sweep.candidates
    )
    return Tuning(tune, candidates)


def _as_tuning_run(run: RunSpec, cell: str) -> RunSpec:
    """Returns the run without what changes none of its final figures, and takes time."""
    own = {"after": "last_epoch", "every_steps": None, "population_statistics": ("ema",)}
    evaluate = run.config.evaluate.model_copy(update=own)
    config = run.config.model_copy(update={"evaluate": evaluate, "diagnostics": ()})
    return replace(run, config=config, tunes=cell)


def _list_variants(runs: Sequence[RunSpec]) -> list[tuple[str, Variant]]:
    return [
        (name, Variant.read(run.config, name, run.settings))
        for name, run in {run.cell: run for run in runs}.items()
    ]


def _check(
    config: ExperimentConfig, tree: Node, warnings: dict[str, None], cell: Cell, base: Node
) -> None:
    findings = check_experiment(config)
    warnings |= {str(_place(one, tree)): None for one in findings if not one.is_error}
    problems = [_place_in_cell(one, tree, cell, base) for one in findings if one.is_error]
    if problems:
        raise ConfigError(problems)


def _place_in_cell(finding: Finding, tree: Node, cell: Cell, base: Node) -> Problem:
    """Returns what is impossible at the choice of the cell that makes it so, if there is one."""
    place = dotted(finding.path)
    if any(overlap(place, choice.key) for choice in cell.choices):
        return _place(finding, tree)
    for choice in cell.choices:
        others = replace(cell, choices=tuple(one for one in cell.choices if one is not choice))
        try:
            found = check_experiment(validate(others.apply(base), ExperimentConfig))
        except ConfigError:
            continue  # without it, nothing can be said
        if not any(one.is_error and one.path == finding.path for one in found):
            reason = f"{finding.reason} (at {place})"
            return choice.value.position.problem(reason, choice.key, finding.kind)
    return _place(finding, tree)


def _place(finding: Finding, tree: Node) -> Problem:
    path = finding.path
    if path[:2] == ("claim", 0) and tree.child("claim", 0) is None:
        path = ("claim", *path[2:])  # a single claim may stand there itself
    return locate(tree, path).problem(finding.reason, dotted(path), finding.kind)


def _find_settings(
    cell: Cell, swept: Sequence[str], tree: Node, config: ExperimentConfig
) -> dict[str, Scalar]:
    settings = {choice.key: as_setting(choice.value.plain()) for choice in cell.choices}
    missing = [key for key in swept if key not in settings]
    resolved = config.model_dump(mode="json") if missing else {}
    for key in missing:
        written = tree.child(*key.split("."))
        settings[key] = as_setting(written.plain() if written else _find_default(resolved, key))
    return {key: settings[key] for key in swept}


def _find_default(config: Any, key: str) -> Any:  # noqa: ANN401 - any plain value
    """Returns the value at a dotted key, None if there is none; of a part, its name alone."""
    value = config
    for word in key.split("."):
        is_place = isinstance(value, list) and word.isdecimal() and int(word) < len(value)
        children = value if isinstance(value, dict) else {}
        value = value[int(word)] if is_place else children.get(word)
    return value.get("name", value) if isinstance(value, dict) else value


def _find_included_twice(cells: Sequence[Cell], runs: Sequence[RunSpec]) -> Iterator[Problem]:
    """Yields a problem for each include that makes a cell that is there without it."""
    includes = {cell.name: cell.include for cell in cells if cell.include}
    if not includes:
        return
    names: dict[tuple[str, str, int | None], str] = {}
    for name, run in {run.cell: run for run in runs}.items():
        train = run.config.train
        first = names.setdefault((run.config.fingerprint(), train.device, train.threads), name)
        if first != name and (place := includes.get(name)):
            yield place.problem(f"is the same as the cell '{first}'", "sweep.include")


def _complete_claims(cells: Sequence[Cell], runs: Sequence[RunSpec]) -> tuple[ClaimConfig, ...]:
    claims = runs[0].config.claim
    included = {cell.name for cell in cells if cell.include}
    if not (claims and included):
        return claims
    variants = [variant for _, variant in _list_variants(runs)]
    return tuple(leave_out_included(one, variants, included) for one in claims)


def _with_claims(runs: Sequence[RunSpec], claims: tuple[ClaimConfig, ...]) -> list[RunSpec]:
    return [
        replace(run, config=run.config.model_copy(update={"claim": claims}))
        if run.config.claim != claims
        else run
        for run in runs
    ]


def _find_unanswerable_claims(tree: Node, runs: Sequence[RunSpec], sweep: Sweep) -> list[Problem]:
    claims = runs[0].config.claim
    if not claims:
        return []
    variants = [variant for _, variant in _list_variants(runs)]
    seeds = sweep.seeds
    first_look = sweep.looks[0] if sweep.looks else len(seeds)
    return [
        _place(replace(finding, path=("claim", index, *finding.path)), tree)
        for index, claim in enumerate(claims)
        for finding in (
            *find_claim_problems(claim, variants),
            *find_seed_problems(claim, seeds, first_look),
        )
    ]
