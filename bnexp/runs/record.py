"""What a run left on disk, read back as plain, typed records."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field

State = Literal["pending", "running", "finished", "diverged", "interrupted", "failed"]
STATES: tuple[State, ...] = get_args(State)

Scalar = str | int | float | bool | None
"""A value that a config key can have once the config is flattened."""

EVALUATED = ("val", "test")
"""What the tags of the images begin with on which a network is evaluated as it trains."""

_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Figure = Annotated[float, Field(ge=-1e39, le=1e39)]
"""Beyond what a float32 holds; the square of a larger one would be beyond a float64, too."""
_Seconds = Annotated[float, Field(ge=0, le=1e9)]
"""Up to 30 years."""


@dataclass(frozen=True)
class Summary:
    """The content of `summary.json`: what a finished or diverged run measured.

    Accuracies are in [0, 1], losses in nats per image. `history` holds one value per
    epoch for each tag, `final` the last of them and what is measured once, after the last epoch,
    `best` those of the epoch with the highest validation accuracy (empty if there is none).
    """

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)  # for what is read back

    status: Literal["finished", "diverged"]
    epochs: _Count
    steps: _Count
    elapsed_seconds: _Seconds
    images_per_second: Annotated[float, Field(ge=0, le=1e15)]
    peak_memory_bytes: _Count
    parameters: _Count
    final: Mapping[str, _Figure]
    best: Mapping[str, _Figure]
    history: Mapping[str, tuple[_Figure, ...]]
    training_memory_bytes: _Count | None = None
    """What a training step holds: parameters, gradients, optimiser state, buffers, and the tensors
    saved for the backward pass. None if the run's version of bnexp did not count it."""
    trained_parameters: _Count | None = None
    """How many of the `parameters` were trained. None if the run's version of bnexp did not say."""
    steps_per_epoch: _Count | None = None
    """Optimiser steps of a whole epoch. None if the run's version of bnexp did not say."""
    evaluated_steps: tuple[_Count, ...] | None = None
    """The steps after which it was evaluated, in order, the last of each epoch among them; None if
    it was evaluated after epochs only."""
    evaluations: Mapping[str, tuple[float, ...]] | None = None
    """One value per evaluated step for each tag of an evaluation."""
    lost_rows: tuple[str, ...] | None = None
    """Which rows of metrics were lost or altered before the run was continued, in sentences; None
    if none were. What its diagnostics measured is no longer whole then."""
    reason: str | None = None
    """Why the run diverged; None for a finished one."""


@dataclass(frozen=True)
class Series:
    """What a diagnostic measured in one run: a value per measured step, in order."""

    steps: tuple[int, ...]
    """Counted from 1."""
    epochs: tuple[int, ...]
    """The epoch that each step belongs to, counted from 1."""
    values: tuple[float, ...]
    """NaN for a value that was not finite."""


def find_contradiction(summary: Summary, config: Mapping[str, Scalar]) -> str | None:
    """Returns what in a summary contradicts the rest of it, or the run's config, or None."""
    epochs = summary.epochs
    for tag, values in summary.history.items():
        if len(values) != epochs:
            return f"{tag} has {len(values)} values for {epochs} epochs"
        if tag in summary.final and summary.final[tag] != values[-1]:
            return f"the final {tag} is {summary.final[tag]}, but its last value is {values[-1]}"
    planned = config.get("train.epochs", epochs)
    if summary.status == "finished" and epochs != planned:
        return f"it has {epochs} epochs, but the config asks for {planned}"
    if epochs and summary.steps % epochs and summary.status == "finished":
        return f"{summary.steps} steps are no whole number for each of {epochs} epochs"
    steps = _count_planned_steps(config)
    if summary.status == "finished" and steps not in (None, summary.steps):
        return f"it has {summary.steps} steps, but its config takes {steps}"
    return _find_wrong_evaluation(summary, config.get("evaluate.every_steps"))


def _count_planned_steps(config: Mapping[str, Scalar]) -> int | None:
    """Returns the optimiser steps of a config; None if only the dataset says how many images."""
    epochs, images, size = (
        config.get(key) for key in ("train.epochs", "data.train_size", "data.batch_size")
    )
    if not (isinstance(epochs, int) and isinstance(images, int) and isinstance(size, int)):
        return None
    per_epoch = images // size if config.get("data.drop_last") else -(-images // size)
    return epochs * per_epoch


def _find_wrong_evaluation(summary: Summary, every: Scalar) -> str | None:
    steps, values = summary.evaluated_steps or (), summary.evaluations or {}
    for tag, found in values.items():
        if len(found) != len(steps):
            return f"{tag} has {len(found)} values for {len(steps)} evaluations"
    if list(steps) != sorted(set(steps)) or any(step > summary.steps for step in steps):
        return "its evaluations are not in the order of its steps"
    length = summary.steps_per_epoch
    if not length:
        return None
    for tag, found in values.items():
        by_step = dict(zip(steps, found, strict=True))
        for epoch, value in enumerate(summary.history.get(tag, ()), start=1):
            if by_step.get(epoch * length) != value:
                return f"{tag} after epoch {epoch} is {value}, but its evaluations say otherwise"
    if summary.status == "finished" and isinstance(every, int):
        expected = list_evaluated_steps(every, length, summary.epochs)
        if list(steps) != expected:
            return (
                f"it was evaluated after {len(steps)} steps, but the config asks for "
                f"{len(expected)}"
            )
    return None


def list_evaluated_steps(every: int | None, steps_per_epoch: int, epochs: int) -> list[int]:
    """Returns the steps after which a whole run is evaluated: each epoch's last, and every so many.

    The steps of `every` count from the start of the training; None stands for no more.
    """
    total = epochs * steps_per_epoch
    ends = range(steps_per_epoch, total + 1, steps_per_epoch)
    return sorted({*ends, *(range(every, total + 1, every) if every else ())})


@dataclass(frozen=True)
class RunRecord:
    """One run of an experiment: what it was to do, its state, and what it measured.

    `settings` holds the swept keys of the run's cell with their values; `config` and
    `environment` are the resolved config and `environment.json`, flattened to dotted keys.
    """

    path: Path
    experiment: str
    cell: str
    seed: int
    state: State
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    config: Mapping[str, Scalar] = field(default_factory=dict)
    environment: Mapping[str, Scalar] = field(default_factory=dict)
    summary: Summary | None = None
    diagnostics: Mapping[str, Series] = field(default_factory=dict)
    """What its diagnostics measured, by tag, e.g. `diag/gradient_norm/conv1`; empty unless it was
    asked for, since it is read from another file."""
    heartbeat: float | None = None
    """Seconds since 1970 when the run was last active."""
    fingerprint: str | None = None
    """SHA-256 of the config that the run began with; None if it cannot be read."""
    cell_index: int = 0
    """The place of the cell in its sweep, counted from 0."""
    claims: tuple[Mapping[str, Any], ...] = ()
    """What was predicted when the run began, as the config says it; not part of `config`."""
    claims_on_record: frozenset[str] | None = None
    """The claims that the runs folder's record knows to have stood before the run had a result, by
    their digests; None if the record does not know when that was."""
    was_beside_others: bool = False
    """Whether, by the same record, another run was trained at the same time."""
    is_damaged: bool = False
    """Whether the run ended, but its summary cannot be read; its state is then `failed`."""
    is_silent: bool = False
    """Whether its status says running, but no process holds its lock: the process has died."""
    is_outdated: bool = False
    """Whether the run has ended, but its status does not say so."""
    problems: tuple[str, ...] = ()
    """What could not be read, in sentences."""
    doubts: tuple[str, ...] = ()
    """What else was lost or altered, in sentences; the run's own figures are whole."""

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Its problems and doubts."""
        return (*self.problems, *self.doubts)

    @functools.cached_property
    def experiment_folder(self) -> Path:
        """The folder that holds the folder of its cell; one object for all runs in it."""
        return _find_folder_above(os.path.split(self.path)[0])

    @property
    def is_running(self) -> bool:
        """Whether a process is at work on it."""
        return self.state == "running" and not self.is_silent


@functools.lru_cache(maxsize=4096)
def _find_folder_above(cell: str) -> Path:
    """Returns the folder that holds a cell's folder, the same object for all cells in it."""
    return _as_path(str(Path(cell).parent))


_as_path = functools.lru_cache(maxsize=4096)(Path)


def find_value(key: str, *mappings: Mapping[str, Scalar], default: Scalar = None) -> Scalar:
    """Returns the value of a whole key in the first mapping that has it, else `default`.

    The value of a part such as `model.norm` is its name.
    """
    for mapping in mappings:
        for name in (key, f"{key}.name"):
            if name in mapping:
                return mapping[name]
    return default


class SharedMapping(Mapping[str, Scalar]):
    """A flattened tree that shares all but one of its values with those of other runs.

    The configs of thousands of runs differ in the seed alone: then they take hardly more memory,
    and hardly longer to compare, than one.
    """

    __slots__ = ("_value", "own", "shared")

    def __init__(self, shared: Mapping[str, Scalar], own: str, value: Scalar) -> None:
        self.shared = shared
        """All keys; the value of the own one is not to be used."""
        self.own = own
        self._value = value

    def __getitem__(self, key: str) -> Scalar:
        return self._value if key == self.own else self.shared[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shared)

    def __len__(self) -> int:
        return len(self.shared)

    def __contains__(self, key: object) -> bool:
        return key in self.shared

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedMapping, (self.shared, self.own, self._value)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as `Mapping` has it
        """Returns the value of a key, or the default."""
        return self._value if key == self.own else self.shared.get(key, default)


def flatten(tree: Any, prefix: str = "") -> dict[str, Scalar]:  # noqa: ANN401 - any YAML or JSON
    """Returns nested mappings and lists as one mapping from dotted keys to scalars.

    An empty mapping or list becomes the string `{}` or `[]`, so that no key is lost.
    """
    flat: dict[str, Scalar] = {}
    _flatten_into(flat, tree, prefix)
    return flat


def unflatten(flat: Mapping[str, Scalar]) -> Any:  # noqa: ANN401 - any YAML
    """Returns the tree whose flattening the mapping is: dotted keys become mappings and lists."""
    if set(flat) == {""}:
        return {"{}": {}, "[]": []}.get(str(flat[""]), flat[""])
    groups: dict[str, dict[str, Scalar]] = {}
    for key, value in flat.items():
        head, _, rest = key.partition(".")
        groups.setdefault(head, {})[rest] = value
    children = {key: unflatten(group) for key, group in groups.items()}
    is_list = list(children) == [str(index) for index in range(len(children))]
    return list(children.values()) if is_list else children


def _flatten_into(flat: dict[str, Scalar], tree: Any, prefix: str) -> None:  # noqa: ANN401
    # A comparison flattens the configs of thousands of runs: most values are scalars, which
    # their type alone shows.
    children: Iterable[tuple[object, Any]]
    if type(tree) is dict or isinstance(tree, Mapping):
        children, empty = tree.items(), "{}"
    elif isinstance(tree, list | tuple):
        children, empty = enumerate(tree), "[]"
    else:
        flat[prefix] = tree
        return
    if not tree:
        flat[prefix] = empty
    for key, value in children:
        name = _join(prefix, key)
        if type(value) in _SCALARS:
            flat[name] = value
        else:
            _flatten_into(flat, value, name)


@functools.lru_cache(maxsize=20_000, typed=True)
def _join(prefix: str, key: object) -> str:
    """Returns the dotted key; the same one for all runs, which saves memory and hashing."""
    return f"{prefix}.{key}" if prefix else f"{key}"


_SCALARS = frozenset((str, int, float, bool, type(None)))
