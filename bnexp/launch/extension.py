"""Runs that go on from finished, shorter ones: which run each starts from, and why it may not.

It may if its first epochs would be those of the shorter run, to the bit. Nothing in a training
looks ahead but the learning rate, so it takes the same config, but for the number of epochs, and
a schedule whose rates are the same up to where the shorter run ended.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnexp.config.load import Experiment, RunSpec
from bnexp.config.optim import OptimizerConfig, StepScheduleConfig
from bnexp.config.sweep.choices import overlap
from bnexp.errors import UsageError
from bnexp.launch.differences import describe_differences, find_differing_keys
from bnexp.runs import ENDED, RunDir, RunRecord, read_run
from bnexp.runs.record import unflatten
from bnexp.runs.seal import Seal
from bnexp.wording import count

_LENGTHS = ("train.epochs", "optim.schedule")
"""Keys that may differ from the shorter run's."""

_LONGEST_NAME = 80
"""Characters of an experiment's name."""


@dataclass(frozen=True)
class Source:
    """A run that has ended, from whose last checkpoint a longer one goes on."""

    folder: RunDir
    experiment: str
    epochs: int
    """Those that it was to train; a diverged run has fewer."""
    seconds: float
    """What was spent on it."""

    @classmethod
    def of(cls, record: RunRecord) -> Source:
        """Returns a run that has ended as a source."""
        folder = RunDir(record.path, {"fingerprint": record.fingerprint})
        epochs = int(record.config["train.epochs"] or 0)
        seconds = record.summary.elapsed_seconds if record.summary else 0.0
        return cls(folder, record.experiment, epochs, seconds)

    def find_damage(self) -> str | None:
        """Returns which of its files is not what the run wrote, in a sentence, or None."""
        return next((problem for _, problem in Seal(self.folder.path).find_broken()), None)

    def describe(self) -> dict[str, Any]:
        """Returns the entry `extends` of the longer run's environment.json."""
        newest = self.folder.checkpoints.newest.name
        return {
            "run": str(self.folder.path),
            "fingerprint": self.folder.identity["fingerprint"],
            "epochs": self.epochs,
            "elapsed_seconds": self.seconds,
            "checkpoint_sha256": Seal(self.folder.path).digest_of(newest),
        }


def as_extension(experiment: Experiment) -> Experiment:
    """Returns the experiment with runs that go on from its shorter ones: `<name>.15_epochs`.

    No tier's experiment can have such a name. One that is an extension itself is extended as
    the experiment that it extends.

    Raises:
        UsageError: Its runs are not equally long, or the name would be too long.
    """
    tuned = experiment.tuning.runs if experiment.tuning else ()
    lengths = {run.config.train.epochs for run in (*experiment.runs, *tuned)}
    if len(lengths) > 1:
        shown = ", ".join(map(str, sorted(lengths)))
        raise UsageError(
            f"--extend: the runs have different numbers of epochs, {shown}; choose one number for "
            "all, e.g. -s train.epochs=15"
        )
    base = re.sub(r"\.\d+_epochs$", "", experiment.name)
    name = f"{base}.{lengths.pop()}_epochs"
    if len(name) > _LONGEST_NAME:
        reason = f"is longer than {_LONGEST_NAME} characters"
        raise UsageError(f"--extend: the name '{name}' {reason}; give the config a shorter one")

    def rename(run: RunSpec) -> RunSpec:
        return replace(run, config=run.config.model_copy(update={"name": name}), extends=base)

    tuning = experiment.tuning and replace(
        experiment.tuning,
        candidates=tuple(
            replace(one, runs=tuple(map(rename, one.runs))) for one in experiment.tuning.candidates
        ),
    )
    runs = tuple(map(rename, experiment.runs))
    return replace(experiment, name=name, runs=runs, tuning=tuning)


def list_lengths(base: str, runs_dir: Path) -> list[str]:
    """Returns the names of an experiment and of its extensions, as far as they are in a folder."""
    names = [path.name for path in runs_dir.iterdir()] if runs_dir.is_dir() else []
    return [name for name in names if re.fullmatch(rf"{re.escape(base)}(\.\d+_epochs)?", name)]


def find_source(spec: RunSpec, runs_dir: Path, names: Sequence[str]) -> Source | None:
    """Returns the longest run that a run of an extension can go on from; None if none has ended.

    `names` are those of the experiments that it may extend, as `list_lengths` gives them.

    Raises:
        UsageError: Runs have ended, but it can go on from none of them; the message says why.
    """
    problem = None
    ended = _find_ended(spec, runs_dir, names)
    for record in sorted(ended, key=lambda one: -int(one.config.get("train.epochs") or 0)):
        if not record.is_damaged and _is_tuned_otherwise(record, spec):
            continue
        problem = _find_problem(record, spec)
        if problem is None:
            return Source.of(record)
    if problem:
        raise UsageError(f"--extend: {problem}")
    return None


def _find_ended(spec: RunSpec, runs_dir: Path, names: Sequence[str]) -> Iterator[RunRecord]:
    """Yields the runs of the cell and seed that have ended, in the other experiments named."""
    for name in names:
        if name == spec.config.name:
            continue
        config = spec.config.model_copy(update={"name": name})
        folder = RunDir.of(runs_dir, replace(spec, config=config).identity)
        record = read_run(folder.path) if folder.is_begun else None
        if record and (record.state in ENDED or record.is_damaged):
            yield record


def _is_tuned_otherwise(record: RunRecord, spec: RunSpec) -> bool:
    """Whether tuning has chosen other values than the run has, and nothing else is different."""
    chosen = (spec.tuning or {}).get("chosen", {})
    others = _list_other_keys(record, spec)
    return bool(others) and all(any(overlap(key, one) for one in chosen) for key in others)


def _list_other_keys(record: RunRecord, spec: RunSpec) -> list[str]:
    keys = find_differing_keys(record, spec)
    return [key for key in keys if not any(overlap(key, one) for one in _LENGTHS)]


def _find_problem(record: RunRecord, spec: RunSpec) -> str | None:
    """Returns why a run cannot go on from one that has ended, or None."""
    path, epochs = record.path, spec.config.train.epochs
    if record.is_damaged:
        return f"{record.problems[0]}; nothing can go on from {path}"
    if others := _list_other_keys(record, spec):
        words = describe_differences(record, spec, others)
        return f"only the number of epochs may differ from {path}, but {words}"
    source = Source.of(record)
    if source.epochs >= epochs:
        more = f"-s train.epochs={source.epochs + 5}"
        return f"{path} has {count(source.epochs, 'epoch')} already; ask for more, e.g. {more}"
    other_version = f"the config of {path} was read by another version of bnexp"
    try:
        optim = _restore_optimizer(record, spec)
    except ValueError:
        return other_version
    train = spec.config.train.model_copy(update={"epochs": source.epochs})
    shorter = spec.config.model_copy(update={"optim": optim, "train": train})
    if shorter.fingerprint() != record.fingerprint:
        return other_version
    if problem := find_other_rates(record, spec, optim, source.epochs):
        return problem
    damage = source.find_damage()
    return f"{damage}; nothing can go on from {path}" if damage else None


def _restore_optimizer(record: RunRecord, spec: RunSpec) -> OptimizerConfig:
    """Returns the optimiser of a run, which has that of the spec, but for the schedule.

    Raises:
        ValueError: There is no such schedule.
    """
    root = "optim.schedule."
    flat = {key.removeprefix(root): v for key, v in record.config.items() if key.startswith(root)}
    values = unflatten(flat).items()
    schedule = {key: tuple(one) if isinstance(one, list) else one for key, one in values}
    optim = spec.config.optim
    return type(optim).model_validate({**optim.model_dump(), "schedule": schedule})


def find_other_rates(
    record: RunRecord, spec: RunSpec, optim: OptimizerConfig, epochs: int
) -> str | None:
    """Returns from where on the learning rates are other ones than in the shorter run, or None.

    `optim` and `epochs` are the shorter run's.
    """
    steps_per_epoch = record.summary and record.summary.steps_per_epoch
    if not steps_per_epoch:
        return f"{record.path} was trained by an earlier version of bnexp, without steps_per_epoch"
    total = spec.config.train.epochs
    step = _find_first_other(optim, epochs, spec.config.optim, total, steps_per_epoch)
    if step is None:
        return None
    schedule = spec.config.optim.schedule
    old, new = (
        one.compute_rate(step, length * steps_per_epoch, steps_per_epoch)
        for one, length in ((optim, epochs), (spec.config.optim, total))
    )
    reason = (
        f"{record.path} cannot go on to {count(total, 'epoch')}, because the schedule "
        f"'{schedule.name}' gives other learning rates to the {epochs} that it has: {new:.6g} "
        f"rather than {old:.6g} at step {step + 1}, in epoch {step // steps_per_epoch + 1}. "
    )
    if isinstance(schedule, StepScheduleConfig) and schedule == optim.schedule:
        kept = [math.floor(one * epochs / total * 1e6) / 1e6 for one in schedule.milestones]
        shown = ",".join(f"{one:g}" for one in kept)
        return f"{reason}Keep its drops where they are: -s optim.schedule.milestones=[{shown}]"
    return (
        f"{reason}Train all {total} from the start, under another name (-s name=…); a schedule "
        "that does not depend on the number of epochs, such as 'constant', could go on"
    )


@functools.lru_cache(maxsize=256)  # seeds, and most cells, have the same
def _find_first_other(
    old: OptimizerConfig, epochs: int, new: OptimizerConfig, total: int, steps_per_epoch: int
) -> int | None:
    """Returns the first step, counted from 0, of the shorter run whose rate is another one."""
    steps, total_steps = epochs * steps_per_epoch, total * steps_per_epoch
    return next(
        (
            step
            for step in range(steps)
            if old.compute_rate(step, steps, steps_per_epoch)
            != new.compute_rate(step, total_steps, steps_per_epoch)
        ),
        None,
    )
