"""What to do for each run of an experiment, decided before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import Experiment, RunSpec
from bnexp.config.train import NOT_FINGERPRINTED
from bnexp.errors import UsageError
from bnexp.locks import describe_holder, is_held
from bnexp.runs import ENDED, RunDir, RunRecord, Scalar, flatten, read_run
from bnexp.runs.reading import find_runs
from bnexp.wording import count, write_value

Action = Literal["train", "resume", "retry", "skip"]
"""Train from the start; go on from a checkpoint; start again what was begun; leave alone."""


@dataclass(frozen=True)
class Decision:
    """What is to be done for a run, and what of it is damaged."""

    action: Action
    damage: str | None = None
    """What is wrong with its status or summary, and what is done about it."""


_LEAVES_THE_RUN_THE_SAME = {"name", *(f"train.{key}" for key in NOT_FINGERPRINTED)}


@dataclass(frozen=True)
class PlannedRun:
    """A run, its folder, and what to do for it; can be pickled, for other processes."""

    spec: RunSpec
    folder: RunDir
    action: Action
    damage: str | None = None
    """What is wrong with its status or summary, and what is done about it."""
    is_forced: bool = False
    """Whether what its folder holds is to be removed first."""
    may_differ: bool = False
    """Whether it may go on under other conditions than the ones its checkpoint was made in."""
    threads: int | None = None
    """CPU threads, where `train.threads` names no count; None takes PyTorch's choice."""
    device: str | None = None
    """The device that a launcher chose for it; None takes `train.device`."""
    with_graph: bool = False
    """Whether its network's graph is written for TensorBoard."""
    planned_seeds: tuple[int, ...] = ()
    """The seeds of its cell that the same command planned, its own among them."""
    planned_cells: int = 1
    """How many cells the same command planned."""


def plan_runs(
    experiment: Experiment, runs_dir: Path, is_forced: bool, may_differ: bool = False
) -> list[PlannedRun]:
    """Returns every run of the experiment with what is to be done for it; writes nothing.

    Finished and diverged runs of the same config are skipped, unless `is_forced`.

    Raises:
        UsageError: A folder holds a run of another config, or one that trains right now.
    """
    seeds = tuple(dict.fromkeys(spec.seed for spec in experiment.runs))
    planned = []
    for spec in experiment.runs:
        folder = RunDir.of(runs_dir, spec.identity)
        _refuse_links(folder)
        decision = Decision("train") if is_forced else decide(spec, folder)
        if decision.action != "skip":
            _refuse_if_held(folder)
        planned.append(
            PlannedRun(
                spec,
                folder,
                decision.action,
                decision.damage,
                is_forced,
                may_differ,
                planned_seeds=seeds,
                planned_cells=len(experiment.cells),
            )
        )
    return planned


def describe_late_claims(planned: Sequence[PlannedRun]) -> str | None:
    """Returns a warning where runs were begun without the claims as they stand now, else None.

    They are not trained again for that, and `bnexp compare` gives such claims no verdict.
    """
    claims = planned[0].spec.config.claim
    begun = [run for run in planned if run.action in ("skip", "resume")] if claims else []
    now = [claim.model_dump(mode="json") for claim in claims]
    late = [run for run in begun if [*read_run(run.folder.path).claims] != now]
    if not late:
        return None
    return (
        f"{len(late)} of {len(planned)} runs were begun without the claims as they stand now, "
        "which therefore get no verdict; --force trains them anew, to the same figures, with the "
        "claims recorded"
    )


def resolved_config(spec: RunSpec) -> dict[str, Any]:
    """Returns the config of a run as plain values, every default written out."""
    return spec.config.model_dump(mode="json", exclude={"sweep"})


def repeatable_config(spec: RunSpec) -> dict[str, Any]:
    """Returns the resolved config under a name of its own where it is one cell of several.

    Trained again, it makes an experiment beside the one that it is a part of.
    """
    config = resolved_config(spec)
    if spec.cell != "base":
        own = re.sub(r"[^A-Za-z0-9._]+", "-", f"{spec.config.name}-{spec.cell}-seed-{spec.seed}")
        config["name"] = own[:80]
        del config["claim"]  # of the whole sweep, which one run cannot answer
    return config


def hyperparameters(config: ExperimentConfig) -> dict[str, Scalar]:
    """Returns a run's config as flat keys and scalars, without name, seed, sweep and claims.

    A list (such as the layers) is one text, so that it takes one column.
    """
    content = config.model_dump(mode="json", exclude={"name", "sweep", "claim"})
    del content["train"]["seed"]
    short = config.model_dump(mode="json", exclude_unset=True)
    return flatten(_shorten_lists(content, short))


def restore_statuses(planned: Sequence[PlannedRun]) -> Iterator[str]:
    """Writes the status of ended runs anew where it was lost; yields where that cannot be done."""
    for run in planned:
        if run.damage is None or run.action != "skip":
            continue
        state = read_run(run.folder.path, with_config=False).state
        try:
            run.folder.restore_status(state)
        except OSError as error:
            yield f"{run.folder.status} cannot be written: {error.strerror or error}"


def describe_strays(planned: Sequence[PlannedRun]) -> str | None:
    """Returns a warning where the experiment's folder holds runs that the config asks for not."""
    folder = planned[0].folder.path.parent.parent
    asked = {run.folder.path for run in planned}
    strays = [path for path in find_runs(folder) if path not in asked] if folder.is_dir() else []
    if not strays:
        return None
    names = sorted({f"{path.parent.name}/{path.name}" for path in strays})
    shown = ", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)
    return (
        f"{folder} also holds {count(len(strays), 'run')} that this config does not ask for "
        f"({shown}); bnexp compare counts them in, and bnexp rm removes them"
    )


def decide(spec: RunSpec, folder: RunDir) -> Decision:
    """Returns what is to be done for a run, from what its folder holds now.

    Raises:
        UsageError: It holds a run of another config.
    """
    if not folder.is_begun:
        return Decision("train")
    record = read_run(folder.path, with_config=False)
    if record.fingerprint != spec.config.fingerprint():
        record = read_run(folder.path)
        problem = _tell_by_config(record, spec)
        damage = f"{problem}; the run is known by its config, and gets a new status"
        return Decision(_choose_action(record, folder), damage)
    action = _choose_action(record, folder)
    if not record.is_damaged:
        return Decision(action)
    how = "from its last checkpoint" if action == "resume" else "from the start"
    return Decision(action, f"{record.problems[0]}; it is made again {how}")


def _refuse_links(folder: RunDir) -> None:
    for path in (folder.path, folder.path.parent, folder.path.parent.parent):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise UsageError(f"{path} is not a folder of its own; move it away")


def _choose_action(record: RunRecord, folder: RunDir) -> Action:
    if record.state in ENDED:
        return "skip"
    if record.state == "pending":
        return "train"
    return "resume" if folder.checkpoints.find() else "retry"


def _tell_by_config(record: RunRecord, spec: RunSpec) -> str:
    """Returns what is wrong with the status of a run whose recorded config is the asked one.

    Raises:
        UsageError: The config is another, or is not recorded either.
    """
    if record.fingerprint is None and record.config and not _find_differing_keys(record, spec):
        return next(iter(record.problems), f"{record.path}: its status names no config")
    raise UsageError(
        f"{record.path} holds a run {_describe_other(record, spec)}. Give this experiment another "
        f"name (-s name=…), {how_to_start_over(record.path)}"
    )


def how_to_start_over(run: Path) -> str:
    """Returns in words how one run, or all of its experiment, can be trained from the start."""
    return f"remove this run alone (bnexp rm '{run}'), or start all over with --force"


def _refuse_if_held(folder: RunDir) -> None:
    if is_held(folder.lock):
        holder = describe_holder(folder.lock)
        raise UsageError(
            f"{folder.path} is being trained by {holder} right now; wait for it or stop it"
        )


def _describe_other(record: RunRecord, spec: RunSpec) -> str:
    """Returns in words how the config of a run on disk differs from the one asked for."""
    old, new = record.config, _flat_config(spec)
    if not old:
        problems = "".join(f" ({word})" for word in record.problems)
        return f"of which it cannot be read whether it is this one{problems}"
    keys = _find_differing_keys(record, spec)
    if not keys:
        return "of the same config, as another version of bnexp read it"
    words = [f"{key} is {_shown(old, key)} there and {_shown(new, key)} here" for key in keys[:5]]
    if len(keys) > 5:
        words.append(f"and {len(keys) - 5} more keys differ")
    return f"of another config: {', '.join(words)}"


def _find_differing_keys(record: RunRecord, spec: RunSpec) -> list[str]:
    old, new = record.config, _flat_config(spec)
    keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key, ...) != new.get(key, ...)]
    return [key for key in keys if key not in _LEAVES_THE_RUN_THE_SAME]


def _flat_config(spec: RunSpec) -> Mapping[str, Scalar]:
    return flatten({key: value for key, value in resolved_config(spec).items() if key != "claim"})


def _shown(config: Mapping[str, Scalar], key: str) -> str:
    return write_value(config[key]) if key in config else "not set"


def _shorten_lists(content: Any, short: Any) -> Any:  # noqa: ANN401 - plain values
    if isinstance(content, dict):
        inner = short if isinstance(short, dict) else {}
        return {key: _shorten_lists(value, inner.get(key)) for key, value in content.items()}
    if isinstance(content, list):
        return " ".join(_shorten(item) for item in (short or content)) or "none"
    return content


def _shorten(item: Any) -> str:  # noqa: ANN401 - plain values
    if not isinstance(item, dict):
        return str(item)
    parts = [
        f"{key}={_shorten(value)}"
        for key, value in item.items()
        if value is not None and key != "name"
    ]
    inner = ",".join(parts)
    if "name" in item:
        return f"{item['name']}({inner})" if inner else str(item["name"])
    return inner
