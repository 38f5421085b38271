"""What to do for each run of an experiment, decided before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bnexp.config.load import Experiment, RunSpec, Tuning
from bnexp.errors import UsageError
from bnexp.launch.differences import describe_differences, find_differing_keys
from bnexp.launch.extension import Source, find_other_rates, find_source, list_lengths
from bnexp.launch.resolved_config import config_text
from bnexp.locks import describe_holder, is_held
from bnexp.runs import ENDED, RunDir, RunRecord, read_run
from bnexp.runs.seal import Seal
from bnexp.wording import count

Action = Literal["train", "extend", "resume", "retry", "skip"]
"""Train from the start; go on from a shorter run; resume from a checkpoint; restart a run without
one; leave alone."""


@dataclass(frozen=True)
class PlannedRun:
    """A run, its folder, and what to do for it; can be pickled, for other processes."""

    spec: RunSpec
    folder: RunDir
    action: Action
    damage: str | None = None
    """What is wrong with its status or summary, and how it is fixed."""
    is_forced: bool = False
    """Whether the content of its folder is deleted first."""
    may_differ: bool = False
    """Whether it may resume under other conditions than those of its checkpoint."""
    planned_seeds: tuple[int, ...] = ()
    """All seeds of its cell that the same command planned, including its own."""
    planned_looks: tuple[int, ...] = ()
    """Numbers of seeds after which claims are looked at; none if it is after all of them."""
    planned_cells: int = 1
    """The number of cells that the same command planned."""
    threads: int | None = None
    """CPU threads if `train.threads` gives no number; None means PyTorch's choice."""
    device: str | None = None
    """The device that a launcher chose for it; None means `train.device`."""
    pack: int = 1
    """How many runs of its cell a launcher trains at once in one process, it among them."""
    with_graph: bool = False
    """Whether to write its network's graph for TensorBoard."""
    is_profiled: bool = False
    """Whether to say what its time goes to, and to record a few steps."""
    source: Source | None = None
    """The run from whose last checkpoint it starts, if it extends one."""

    @property
    def is_fresh(self) -> bool:
        """Whether nothing of it is there, and it extends no other."""
        return self.action in ("train", "retry")

    @property
    def start(self) -> RunDir:
        """The folder whose checkpoint it starts from, if it starts from one."""
        return self.source.folder if self.source else self.folder

    @property
    def epochs_left(self) -> int:
        """The epochs that are to train, as if none had been done of a run that was cut off."""
        return self.spec.config.train.epochs - (self.source.epochs if self.source else 0)


@dataclass(frozen=True)
class Order:
    """A run to train, with its place in the list of runs to do."""

    index: int
    run: PlannedRun


def plan_runs(
    experiment: Experiment, runs_dir: Path, is_forced: bool, may_differ: bool = False
) -> list[PlannedRun]:
    """Returns every run of the experiment and what to do for it; writes nothing.

    Finished and diverged runs of the same config are skipped, unless `is_forced`. As long as
    tuning has not chosen their values, all are to do, with the values that the config has.

    Raises:
        UsageError: A folder holds a run with another config, or one that is training now; or
            the runs are to extend others, and cannot.
    """
    is_settled = experiment.tuning is None
    return _plan(experiment.runs, experiment.looks, runs_dir, is_forced, may_differ, is_settled)


def plan_tuning(
    tuning: Tuning, runs_dir: Path, is_forced: bool, may_differ: bool = False
) -> list[PlannedRun]:
    """Returns the tuning runs and what to do for each, as `plan_runs` does."""
    return _plan(tuning.runs, (), runs_dir, is_forced, may_differ, is_settled=True)


def _plan(
    specs: Sequence[RunSpec],
    looks: tuple[int, ...],
    runs_dir: Path,
    is_forced: bool,
    may_differ: bool,
    is_settled: bool,
) -> list[PlannedRun]:
    seeds = tuple(dict.fromkeys(spec.seed for spec in specs))
    sweep = (is_forced, may_differ, seeds, looks, len({spec.cell for spec in specs}))
    extends, is_tuned = specs[0].extends, specs[0].tuning is not None
    lengths = list_lengths(extends, runs_dir) if extends else []
    planned = []
    for spec in specs:
        known = {key: value for key, value in spec.identity.items() if key != "fingerprint"}
        folder = RunDir.of(runs_dir, spec.identity if is_settled else known)
        _refuse_links(folder)
        is_free = is_forced or not is_settled
        action, damage = ("train", None) if is_free else decide(spec, folder)
        if action != "skip" and is_held(folder.lock):
            holder = describe_holder(folder.lock)
            raise UsageError(
                f"{folder.path} is being trained by {holder} right now; wait for it or stop it"
            )
        source = None
        if spec.extends and is_settled and action in ("train", "retry"):
            source = find_source(spec, runs_dir, lengths)
        action = "extend" if source else action
        planned.append(PlannedRun(spec, folder, action, damage, *sweep, source=source))
    if extends and is_settled and not is_tuned and all(run.is_fresh for run in planned):
        raise UsageError(
            f"--extend: there is no finished run of '{extends}' in {runs_dir} to go on from; train "
            "it first, with the same command without --extend and with its own train.epochs"
        )
    return planned


def decide(spec: RunSpec, folder: RunDir) -> tuple[Action, str | None]:
    """Returns what to do for a run, and what is damaged in its folder and how that is fixed.

    Raises:
        UsageError: It holds a run with another config.
    """
    if not folder.is_begun:
        return "train", None
    record = read_run(folder.path, with_config=False)
    if record.state == "pending" and record.fingerprint is None and not record.problems:
        return "train", None  # started over before its tuned values were known
    if record.fingerprint != spec.config.fingerprint():
        record = read_run(folder.path)  # an error of the disk may have passed, too
    if record.fingerprint != spec.config.fingerprint():
        problem = _tell_by_config(record, spec)
        how = "the run is recognized by its config and gets a new status"
        return _choose_action(record, folder), f"{problem}; {how}"
    action = _choose_action(record, folder)
    if action == "skip":
        return _inspect_ended(spec, folder, record)
    damage = f"{record.problems[0]}; {_tell_how(action)}" if record.is_damaged else None
    return action, damage


def _inspect_ended(spec: RunSpec, folder: RunDir, record: RunRecord) -> tuple[Action, str | None]:
    """Returns what to do for a run that has ended, by what is left of its files."""
    seal = Seal(folder.path)
    broken = dict(seal.find_broken())
    if folder.environment.name in broken:
        action: Action = "resume" if folder.checkpoints.find() else "retry"
        return action, f"{broken[folder.environment.name]}; {_tell_how(action)}"
    damages = []
    if record.is_outdated:
        problem = next(iter(record.problems), f"{folder.status} is outdated")
        damages.append(f"{problem}; it is rewritten")
    known = {
        folder.config.name: config_text(spec).encode(),
        folder.model.name: spec.config.model.code,
    }
    for name, problem in broken.items():
        is_known = name in known and not seal.find_problem(name, known[name])
        how = "rewritten" if is_known else "left as it is: the run's figures are whole"
        damages.append(f"{problem}; it is {how}")
    return "skip", "; ".join(damages) or None


def _tell_how(action: Action) -> str:
    return f"it is rebuilt from {'its last checkpoint' if action == 'resume' else 'the start'}"


def _refuse_links(folder: RunDir) -> None:
    for path in (folder.path, folder.path.parent, folder.path.parent.parent):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise UsageError(f"{path} is a link or a file; move it away")


def _choose_action(record: RunRecord, folder: RunDir) -> Action:
    if record.state in ENDED:
        return "skip"
    if record.state == "pending":
        return "train"
    return "resume" if folder.checkpoints.find() else "retry"


def _tell_by_config(record: RunRecord, spec: RunSpec) -> str:
    """Returns what is wrong with the status of a run whose recorded config is the right one.

    Raises:
        UsageError: The recorded config is another one, or missing too.
    """
    is_unsure = record.fingerprint is None or record.is_damaged
    if is_unsure and record.config and not find_differing_keys(record, spec):
        return next(iter(record.problems), f"{record.path}: its status does not name its config")
    ways = f"{_suggest(record, spec)} (-s name=…), {how_to_start_over(record.path)}"
    raise UsageError(f"{record.path} holds a run {_describe_other(record, spec)}. {ways}")


def _suggest(record: RunRecord, spec: RunSpec) -> str:
    """Returns how to train what a run on disk is not, up to the new name that this may take."""
    rename = "ive this experiment another name"
    if not _is_shorter(record, spec):
        return f"G{rename}"
    optim, epochs = spec.config.optim, Source.of(record).epochs
    if find_other_rates(record, spec, optim, epochs) is None:
        return f"Go on from its last checkpoint with --extend, g{rename}"
    total = count(spec.config.train.epochs, "epoch")
    return (
        f"It cannot go on to {total}, since the schedule '{optim.schedule.name}' would have given "
        "it other learning rates. Train from the start under another name"
    )


def how_to_start_over(run: Path) -> str:
    """Returns a clause about how to train one run, or its whole experiment, from the start."""
    return f"delete only this run (bnexp rm '{run}'), or start everything over with --force"


def _describe_other(record: RunRecord, spec: RunSpec) -> str:
    """Returns a clause about how the config of a run on disk differs from the given one."""
    if not record.config:
        problems = "".join(f" ({word})" for word in record.problems)
        return f"whose config cannot be read{problems}"
    keys = find_differing_keys(record, spec)
    if not keys:
        return "with the same config, read by another version of bnexp"
    return f"with another config: {describe_differences(record, spec, keys)}"


def _is_shorter(record: RunRecord, spec: RunSpec) -> bool:
    """Whether a run on disk has ended and differs in nothing but in being shorter."""
    epochs = record.config.get("train.epochs")
    is_shorter = isinstance(epochs, int) and epochs < spec.config.train.epochs
    is_only = find_differing_keys(record, spec) == ["train.epochs"]
    return record.state in ENDED and is_shorter and is_only
