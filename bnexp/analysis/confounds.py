"""Finds what differs between runs besides the factors that were varied on purpose."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bnexp.runs.record import RunRecord, Scalar

Groups = Mapping[str, Sequence[RunRecord]]
"""The runs of each cell, by the cell's label."""

_IGNORED = (
    "name",
    "extends",
    "sweep",
    "claim",
    "train.seed",
    "train.device",
    "train.checkpoint_every",
    "data.root",
)
"""Keys that a config may differ in: labels, and places that the environment records better."""

_DATASET = "dataset.fingerprint"
_NOT_CONTENT = ("data.batch_size", "data.normalization_batch_size", "data.augment")
"""Keys below `data` that leave the pictures as they are."""

_CODE = ("git.commit", "git.dirty", "versions.torch", "versions.bnexp")
"""Keys of the environment that say what was run; cells that differ in them are confounded."""

_CIRCUMSTANCES = (
    "git.commit",
    "git.dirty",
    "versions",
    "platform",
    "processor",
    "device",
    "threads",
)
"""Keys of the environment that should not change a result, but might."""

_NUMBERS = itertools.count()

_OWN = ("created", "command")
"""Keys of the environment that each run has of its own."""

_MOST_NAMED = 6
_ABSENT = "absent"
_VERDICT = "no causal verdict"
_WITHIN = "runs of one cell differ in more than the seed"


def is_explained(key: str, swept: Iterable[str]) -> bool:
    """Tells whether varying the swept keys makes a difference in `key` expected.

    A swept key explains itself and all below it; a swept `part.name` explains the
    whole `part`, since another part has other fields.
    """
    return any(_is_below(key, root.removesuffix(".name")) for root in swept)


def differing_among(mappings: Iterable[Mapping[str, Scalar]]) -> tuple[str, ...]:
    """Returns the keys whose values are not the same in all mappings, or missing in some."""
    mappings = _distinct(mappings)
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return tuple(key for key in keys if len({_token(mapping, key) for mapping in mappings}) > 1)


def differing_config(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """Returns the config keys that differ between the runs and can change a result.

    Runs whose config could not be read are left out.
    """
    configs = _distinct((record.config for record in records if record.config), _IGNORED)
    differing = differing_among(configs)
    return tuple(key for key in differing if not any(_is_below(key, root) for root in _IGNORED))


def confounding_keys(
    treatment: Sequence[RunRecord], control: Sequence[RunRecord], swept: Collection[str]
) -> tuple[str, ...]:
    """Returns the keys, besides the swept ones, that could explain a difference of two cells.

    Among them are swept keys that differ within one of the cells, the dataset's
    fingerprint where no swept key changes the data, and the code and its versions where
    the two cells were not made with the same ones.
    """
    both = [*treatment, *control]
    unexplained = [key for key in differing_config(both) if not is_explained(key, swept)]
    within = [key for runs in (treatment, control) for key in differing_config(runs)]
    environment = (*_differing_dataset(both, swept), *_differing_code((treatment, control)))
    return tuple(dict.fromkeys((*unexplained, *within, *environment)))


def describe_confounds(groups: Groups, swept: Collection[str]) -> tuple[str, ...]:
    """Returns one warning for each kind of unplanned difference: keys, values, cells."""
    runs = [run for members in groups.values() for run in members]
    configs = {
        label: {run.seed: run.config for run in members if run.config}
        for label, members in groups.items()
    }
    environments = {
        label: {run.seed: run.environment for run in members if run.environment}
        for label, members in groups.items()
    }
    unexplained = [key for key in differing_config(runs) if not is_explained(key, swept)]
    within = {key: None for members in groups.values() for key in differing_config(members)}
    code = _differing_code(groups.values())
    others = [key for key in _differing_circumstances(runs) if key not in code]
    scope = "cells differ in more than the sweep" if len(groups) > 1 else _WITHIN
    found = (
        _describe(scope, unexplained, configs, _VERDICT),
        _describe(_WITHIN, [key for key in within if key not in unexplained], configs, _VERDICT),
        _describe("the data differ", _differing_dataset(runs, swept), environments, _VERDICT),
        _describe("the code or its versions differ", code, environments, _VERDICT),
        _describe("the runs were not made alike", others, environments),
    )
    return tuple(warning for warning in found if warning)


def _differing_dataset(runs: Iterable[RunRecord], swept: Iterable[str]) -> tuple[str, ...]:
    content = [key for key in swept if not is_explained(key, _NOT_CONTENT)]
    if any(_is_below(key, "data") for key in content):
        return ()
    return tuple(key for key in _differing_environment(runs) if key == _DATASET)


def _differing_code(cells: Iterable[Sequence[RunRecord]]) -> tuple[str, ...]:
    """Returns the keys of the code whose values are not the same set in all cells.

    Seeds that were added to every cell after a commit leave the cells alike.
    """
    known = [[run.environment for run in runs if run.environment] for runs in cells]
    return tuple(
        key
        for key in _CODE
        if len({frozenset(_token(one, key) for one in cell) for cell in known if cell}) > 1
    )


def _differing_circumstances(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    return tuple(
        key
        for key in _differing_environment(runs)
        if any(_is_below(key, root) for root in _CIRCUMSTANCES)
    )


def _differing_environment(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    found = (run.environment for run in runs if run.environment)
    return differing_among(_distinct(found, _OWN))


def _describe(
    subject: str,
    keys: Sequence[str],
    cells: Mapping[str, Mapping[int, Mapping[str, Scalar]]],
    consequence: str = "",
) -> str | None:
    if not keys:
        return None
    named = [f"{key} is {_describe_values(key, cells)}" for key in keys[:_MOST_NAMED]]
    if len(keys) > _MOST_NAMED:
        named.append(f"and {len(keys) - _MOST_NAMED} more: {', '.join(keys[_MOST_NAMED:])}")
    text = f"{subject}: {'; '.join(named)}"
    return f"{text}: {consequence}" if consequence else text


def _describe_values(key: str, cells: Mapping[str, Mapping[int, Mapping[str, Scalar]]]) -> str:
    """Returns `5 (norm=none), 10 (norm=batch)`, naming seeds where a cell is of two minds."""
    holders: dict[str, list[str]] = {}
    for label, by_seed in cells.items():
        seeds: dict[str, list[int]] = {}
        for seed, mapping in by_seed.items():
            seeds.setdefault(_show(mapping, key), []).append(seed)
        for value, having in seeds.items():
            numbers = ", ".join(map(str, having))
            whose = f" seed{'s' * (len(having) > 1)} {numbers}" if len(seeds) > 1 else ""
            holders.setdefault(value, []).append(label + whose)
    return ", ".join(f"{value} ({_shorten(names)})" for value, names in holders.items())


def _shorten(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def _show(mapping: Mapping[str, Scalar], key: str) -> str:
    value = mapping.get(key, _ABSENT)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    is_digest = len(text) > 12 and all(letter in "0123456789abcdef" for letter in text)
    return text[:12] if is_digest else text


def _token(mapping: Mapping[str, Scalar], key: str) -> tuple[bool, bool, Hashable]:
    """Returns a value that is equal for 5 and 5.0, and apart for true and 1, null and absent."""
    value = mapping.get(key)
    is_plain = isinstance(value, Hashable)
    return key in mapping, isinstance(value, bool), value if is_plain else repr(value)


def _distinct(
    mappings: Iterable[Mapping[str, Scalar]], without: Iterable[str] = ()
) -> list[Mapping[str, Scalar]]:
    """Returns one of each kind of mapping, less some keys: thousands of runs have few configs.

    Two of a kind may be left, where the keys stand in another order.
    """
    left_out = tuple(without)
    kinds = (_find_kind(_Reference(mapping), left_out) for mapping in mappings)
    return list({kind.number: kind.content for kind in kinds}.values())


@dataclass(frozen=True)
class _Kind:
    """A mapping less some keys, with a number that equal ones share."""

    number: int
    content: Mapping[str, Scalar]


class _Reference:
    """A mapping as a key: the very same object, whatever it holds."""

    __slots__ = ("mapping",)

    def __init__(self, mapping: Mapping[str, Scalar]) -> None:
        self.mapping = mapping

    def __hash__(self) -> int:
        return id(self.mapping)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reference) and other.mapping is self.mapping


@functools.lru_cache(maxsize=40_000)
def _find_kind(reference: _Reference, without: tuple[str, ...]) -> _Kind:
    # A comparison looks at each run a dozen times: with every cell, and with all of them.
    content = dict(reference.mapping)
    for key in without:
        content.pop(key, None)
    values = tuple(content.values())
    try:
        number = _number((tuple(content), values, tuple(map(type, values))))
    except TypeError:  # a value that is no scalar, in a file that was tampered with
        number = next(_NUMBERS)
    return _Kind(number, content)


@functools.lru_cache(maxsize=40_000)
def _number(_: Hashable) -> int:
    return next(_NUMBERS)


def _is_below(key: str, root: str) -> bool:
    return key == root or key.startswith(f"{root}.")
