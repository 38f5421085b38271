"""What is examined, and how what is found is put in order."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.data.dataset import DatasetConfig, DatasetFacts, Say
from bnexp.doctor.finding import Finding, order
from bnexp.doctor.registry import examine, find_checks
from bnexp.doctor.subjects.machine import gather_machine
from bnexp.doctor.subjects.setup import read_setup
from bnexp.errors import BnexpError, ConfigError, DataError, Problem, UsageError
from bnexp.models.model import ModelConfig
from bnexp.runs import RunRecord
from bnexp.wording import LOADING, count

MOST_NETWORKS = 12
"""Different networks of a sweep that are built and looked at."""

Built = tuple[ModelConfig, DatasetFacts | None]
"""What a network is built from."""

_MOMENTUM = "norm.momentum"


def examine_machine(runs_dir: Path) -> list[Finding]:
    """Returns what is found on this machine, for runs in that folder."""
    return order(examine("machine", gather_machine(runs_dir)))


def examine_config(
    path: Path, overrides: Sequence[str], tier: str | None, say: Say
) -> list[Finding]:
    """Returns what is found in a config: in its cells, and in their networks before training.

    Raises:
        UsageError: There is no such file or tier.
    """
    try:
        experiment = load_experiment(path, overrides, tier)
    except ConfigError as error:
        return order(map(explain, error.problems))
    cells = {run.cell: run.config for run in experiment.runs}
    problem = _import_torch(say)
    if problem:
        say(f"PyTorch cannot be imported ({problem}), so that no network is examined")
    facts: dict[DatasetConfig, DatasetFacts | None] = {}
    missing: list[Finding] = []
    for data in dict.fromkeys(config.data for config in cells.values()):
        try:
            facts[data] = data.facts() if problem else _find_facts(data, say)
        except DataError as error:
            facts[data] = None
            missing.append(_describe_missing(error))
    examined = {}
    for cell, config in cells.items():
        setup = read_setup(config, facts[config.data])
        slowdown = None if problem else _measure_bf16(config)
        examined[cell] = [*examine("setup", replace(setup, bf16_slowdown=slowdown))]
    networks = {} if problem else _examine_networks(cells.values(), facts, say)
    for cell, config in cells.items():
        examined[cell] += networks.get((config.model, facts[config.data]), [])
    return order([*missing, *_merge(examined)])


def _describe_missing(error: DataError) -> Finding:
    return Finding(
        "the dataset cannot be used",
        str(error),
        place="data",
        cause="it is not here, or damaged; what depends on its sizes could not be checked",
        fix="set data.root to its folder; bnexp data list shows what is where",
        check="datasets",
    )


def explain(problem: Problem) -> Finding:
    """Returns a mistake in a config as the finding of the check that knows its cause."""
    name = problem.kind
    if problem.path.endswith(_MOMENTUM) and name == "greater_than":
        name = "zero_momentum"
    checks = {check.name: check for check in find_checks()}
    check = checks.get(name, checks["config"])
    place = ": ".join(filter(None, (f"{problem.file}:{problem.line}", problem.path)))
    what = check.problem if check.name != "config" else "the config is wrong"
    return Finding(what, problem.reason, "error", place, check.cause, check.fix, check.name)


def _import_torch(say: Say) -> str | None:
    """Returns why PyTorch cannot be imported, None if it can."""
    if "torch" not in sys.modules:
        say(LOADING)
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _measure_bf16(config: ExperimentConfig) -> float | None:
    """Returns how much slower bf16 is if a config would train in it on the CPU of this machine."""
    from bnexp.training.machine.device import resolve_device
    from bnexp.training.machine.precision import measure_bf16_slowdown

    with contextlib.suppress(UsageError):  # no such device here
        if config.train.precision == "bf16" and resolve_device(config.train.device).type == "cpu":
            return measure_bf16_slowdown()
    return None


def _find_facts(data: DatasetConfig, say: Say) -> DatasetFacts:
    """Returns the sizes of a dataset, loading it only if its config is not enough."""
    if known := data.facts():
        return known
    from bnexp.training.setup import find_facts

    return find_facts(data.load(say))


def _examine_networks(
    configs: Iterable[ExperimentConfig],
    facts: Mapping[DatasetConfig, DatasetFacts | None],
    say: Say,
) -> dict[Built, list[Finding]]:
    """Returns what is found in each different network, at most in `MOST_NETWORKS`."""
    pairs = ((config.model, facts[config.data]) for config in configs)
    different = [*dict.fromkeys((model, known) for model, known in pairs if known)]
    if len(different) > MOST_NETWORKS:
        say(f"looking at the first {MOST_NETWORKS} of {len(different)} different networks")
    return {built: _examine_untrained(*built) for built in different[:MOST_NETWORKS]}


def _examine_untrained(model: ModelConfig, facts: DatasetFacts) -> list[Finding]:
    """Returns what the checks find in the built network that need more than its config."""
    from bnexp.doctor.subjects.built import build_untrained

    network = build_untrained(model, facts)
    checks = [check for check in find_checks() if "setup" not in check.functions]
    return [found for check in checks for found in check.examine("network", network)]


def examine_run(record: RunRecord, say: Say) -> list[Finding]:
    """Returns what is found in a run that has ended: in its config and in its last checkpoint.

    Raises:
        UsageError: The run has not ended, is damaged, or is not what its config says.
        DataError: The dataset is missing, or not the one that the run trained on.
        BnexpError: PyTorch cannot be imported.
    """
    if problem := _import_torch(say):
        raise BnexpError(f"PyTorch cannot be imported ({problem}); bnexp doctor says more")
    from bnexp.doctor.subjects.built import load_trained

    setup, network = load_trained(record, say)
    checks = find_checks()
    return order(
        found
        for check in checks
        for found in (
            check.examine("network", network)
            if "network" in check.functions
            else check.examine("setup", setup)
        )
    )


def _merge(by_cell: dict[str, list[Finding]]) -> Iterator[Finding]:
    """Yields each finding once, with the cells that it is about if those are not all."""
    cells: dict[Finding, list[str]] = {}
    for cell, found in by_cell.items():
        for one in dict.fromkeys(found):
            cells.setdefault(one, []).append(cell)
    for finding, names in cells.items():
        others = f" and {count(len(names) - 1, 'other')}" if len(names) > 1 else ""
        where = f"in cell {names[0]}{others}" if len(names) < len(by_cell) else ""
        place = f"{finding.place} ({where})" if finding.place and where else finding.place or where
        yield replace(finding, place=place)
