"""Finds what differs between runs besides the factors that were varied on purpose."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from bnexp.analysis.differences.differing_keys import Reference, differing_keys, distinct, is_below
from bnexp.analysis.differences.tuning import find_tuned_keys
from bnexp.analysis.metrics import is_cost
from bnexp.analysis.results import Caveat, CaveatKind
from bnexp.runs.record import RunRecord, Scalar
from bnexp.wording import write_value

Groups = Mapping[str, Sequence[RunRecord]]
"""The runs of each cell, by the cell's label."""

Place = Literal["config", "environment"]
Kinds = Sequence[Mapping[str, Scalar]]
"""Configs or environments, one of each kind: thousands of runs have few."""

_IGNORED = (
    "name",
    "extends",
    "sweep",
    "claim",
    "train.seed",
    "train.device",
    "train.pack",
    "train.checkpoint_every",
    "evaluate.mistakes",
    "data.root",
    "model.path",
)
"""Keys that a config may differ in: labels, and places that the environment records better."""

_FOLLOWS = {"model.sha256": "model.path"}
"""Keys that differ because another one does: the content of a file, since it is another file."""

_MEASURING = "diagnostics"
"""The key that changes no result but what it costs to get it."""

_DATASET = "dataset.fingerprint"
_NOT_CONTENT = (
    "data.batch_size",
    "data.normalization_batch_size",
    "data.augment",
    "data.train_size",
    "data.val_size",
    "data.test_size",
    "data.drop_last",
)
"""Keys below `data` that leave the pictures as they are: the fingerprint is of all of them."""

_GIT = ("git.commit", "git.dirty", "git.changes")
_CODE = (*_GIT, "versions.torch", "versions.bnexp")
"""Keys of the environment that say what was run; cells that differ in them are confounded."""

_MACHINE = {
    "device": "train.device",
    "threads": "train.threads",
    "pack": "train.pack",
    "processor": "processor",
    "platform": "platform",
}
"""What decides how fast a run is and what it takes, each with the key that sets it on purpose."""

_CIRCUMSTANCES = (*_GIT, "versions", *(key for key in _MACHINE if key != "pack"))
"""Keys of the environment that should not change a result, but might."""

_OWN = ("created", "command", "extends")
"""Keys of the environment that each run has of its own."""

_MOST_NAMED = 6
_ABSENT = "absent"
_VERDICT = "no causal verdict"
_WITHIN = "runs of one cell differ in more than the seed"


def is_explained(key: str, swept: Iterable[str]) -> bool:
    """Returns whether varying the swept keys makes a difference in `key` expected.

    A swept key explains itself and all below it; a swept `part.name` explains the
    whole `part`, since another part has other fields.
    """
    cause = _FOLLOWS.get(key, key)
    return any(is_below(cause, root.removesuffix(".name")) for root in swept)


def differing_config_keys(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Returns the config keys that differ between the runs and can change a result.

    Runs whose config could not be read are left out.
    """
    return _differing_config(find_kinds(records, "config"))


def _differing_config(configs: Kinds) -> tuple[str, ...]:
    ignored = (*_IGNORED, _MEASURING)
    differing = differing_keys(configs)
    return tuple(key for key in differing if not any(is_below(key, root) for root in ignored))


def _find_measuring(configs: Sequence[Kinds]) -> list[str]:
    """Returns the keys in which the runs' diagnostics differ."""
    return [key for key in differing_keys(chain(*configs)) if is_below(key, _MEASURING)]


def find_kinds(runs: Sequence[RunRecord], place: Place) -> Kinds:
    """Returns one of each kind of config or environment, less what each run has of its own.

    Runs of which it could not be read are left out.
    """
    return _find_kinds(Reference(tuple(runs)), place)


@functools.lru_cache(maxsize=4096)
def _find_kinds(runs: Reference[tuple[RunRecord, ...]], place: Place) -> Kinds:
    # A comparison looks at each cell several times, and at the baseline with every other.
    found = [mapping for run in runs.thing if (mapping := getattr(run, place))]
    return distinct(found, _IGNORED if place == "config" else _OWN)


def confounding_keys(
    treatment: Sequence[RunRecord],
    control: Sequence[RunRecord],
    swept: Collection[str],
    metric: str = "",
) -> tuple[str, ...]:
    """Returns the keys, besides the swept ones, that could explain a difference of two cells.

    Among them are swept keys that differ within one of the cells, the dataset's
    fingerprint if no swept key changes the pictures, and the code and its versions if
    the two cells were not made with the same ones; of speed, time and memory also the machine.
    Runs whose config or environment cannot be read are passed over: see `unchecked_runs`.
    """
    differences = _find_differences((treatment, control), swept, metric)
    return tuple(dict.fromkeys(key for found in differences for key in found.keys))


def unchecked_runs(runs: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """Returns the runs of which nobody can tell whether they were made like the others."""
    return tuple(run for run in runs if not (run.config and run.environment))


def find_confounds(groups: Groups, swept: Collection[str], metric: str) -> tuple[Caveat, ...]:
    """Returns one caveat for each kind of unplanned difference: keys, values, cells."""
    differences = _find_differences(groups.values(), swept, metric)
    decisive = {key for found in differences for key in found.keys}
    environments = [find_kinds(members, "environment") for members in groups.values()]
    differing = _differing_environment(environments, _CIRCUMSTANCES)
    others = [key for key in differing if key not in decisive]
    conditions = "the runs were not made under the same conditions"
    circumstances = _Difference(conditions, others, "environment")
    return (
        *(_describe(found, groups, "confounded") for found in differences if found.keys),
        *_describe_unchecked(groups),
        *([_describe(circumstances, groups, "circumstances")] if others else ()),
    )


@dataclass(frozen=True)
class _Difference:
    """Keys of one kind in which runs differ."""

    subject: str
    keys: Sequence[str]
    place: Place


def _find_differences(
    cells: Collection[Sequence[RunRecord]], swept: Collection[str], metric: str
) -> tuple[_Difference, ...]:
    """Returns what could explain a difference between the cells, besides the swept keys."""
    runs = [run for members in cells for run in members]
    swept = [*swept, *find_tuned_keys(runs)]
    configs = [find_kinds(members, "config") for members in cells]
    environments = [find_kinds(members, "environment") for members in cells]
    differing = _differing_config([*chain(*configs)])
    unexplained = [key for key in differing if not is_explained(key, swept)]
    within = dict.fromkeys(key for kinds in configs for key in _differing_config(kinds))
    others = [key for key in within if key not in unexplained]
    scope = "cells differ in more than the sweep" if len(cells) > 1 else _WITHIN
    is_content = [is_below(key, "data") and not is_explained(key, _NOT_CONTENT) for key in swept]
    dataset = () if any(is_content) else _differing_environment(environments, (_DATASET,))
    code = [key for key in _CODE if _differs_between(environments, key)]
    machine = _differing_machine(environments, swept) if is_cost(metric) else []
    measuring = _find_measuring(configs) if is_cost(metric) else []
    return (
        _Difference(scope, unexplained, "config"),
        _Difference(_WITHIN, others, "config"),
        _Difference("the data differ", dataset, "environment"),
        _Difference("the code or its versions differ", code, "environment"),
        _Difference(f"machines that {metric} depends on differ", machine, "environment"),
        _Difference("what is measured besides, at some cost, differs", measuring, "config"),
    )


def differing_machine(cells: Collection[Sequence[RunRecord]], swept: Collection[str]) -> list[str]:
    """Returns the keys of the machine, besides the swept ones, that differ between the cells."""
    return _differing_machine([find_kinds(members, "environment") for members in cells], swept)


def _differing_machine(environments: Sequence[Kinds], swept: Collection[str]) -> list[str]:
    free = [root for root, cause in _MACHINE.items() if not is_explained(cause, swept)]
    hardware = _differing_environment(environments, free)
    return [key for key in hardware if _differs_between(environments, key)]


def _differs_between(environments: Sequence[Kinds], key: str) -> bool:
    """Returns whether a key of the environment has different sets of values in the cells.

    Seeds that were added to every cell after a commit leave the cells alike. What is not
    recorded counts as null.
    """
    found = ({environment.get(key) for environment in kinds} for kinds in environments)
    return len({frozenset(values) for values in found if values}) > 1


def _differing_environment(environments: Sequence[Kinds], roots: Collection[str]) -> list[str]:
    """Returns the keys below the roots that differ; what is not recorded counts as null."""
    found = distinct(chain(*environments))
    keys = [key for key in differing_keys(found) if any(is_below(key, root) for root in roots)]
    return [key for key in keys if any(one.get(key) != found[0].get(key) for one in found)]


def _describe_unchecked(groups: Groups) -> Iterator[Caveat]:
    unchecked = {
        label: [run.seed for run in unchecked_runs(members)] for label, members in groups.items()
    }
    names = [f"{label} {_write_seeds(seeds)}" for label, seeds in unchecked.items() if seeds]
    number = sum(map(len, unchecked.values()))
    subject, they = ("1 run has", "it") if number == 1 else (f"{number} runs have", "they")
    if names:
        what = f"no readable config or environment, so what {they} ran on cannot be checked"
        yield Caveat("unchecked", f"{subject} {what}", (_shorten(names),), _VERDICT)


def _describe(difference: _Difference, groups: Groups, kind: CaveatKind) -> Caveat:
    keys, place = difference.keys, difference.place
    named = [f"{key} is {_describe_values(key, groups, place)}" for key in keys[:_MOST_NAMED]]
    if len(keys) > _MOST_NAMED:
        named.append(f"and {len(keys) - _MOST_NAMED} more keys")
    consequence = _VERDICT if kind == "confounded" else ""
    return Caveat(kind, difference.subject, tuple(named), consequence)


def _describe_values(key: str, groups: Groups, place: str) -> str:
    """Returns `5 (norm=none), 10 (norm=batch)`, naming the seeds if they differ within a cell."""
    holders: dict[str, list[str]] = {}
    for label, runs in groups.items():
        seeds: dict[str, list[int]] = {}
        for run in runs:
            if mapping := getattr(run, place):
                seeds.setdefault(_show(mapping, key), []).append(run.seed)
        for value, having in seeds.items():
            whose = f" {_write_seeds(having)}" if len(seeds) > 1 else ""
            holders.setdefault(value, []).append(label + whose)
    return ", ".join(f"{value} ({_shorten(names)})" for value, names in holders.items())


def _write_seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _shorten(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def _show(mapping: Mapping[str, Scalar], key: str) -> str:
    text = write_value(mapping.get(key, _ABSENT))
    is_digest = len(text) > 12 and all(letter in "0123456789abcdef" for letter in text)
    return text[:12] if is_digest else text
