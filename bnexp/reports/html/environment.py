"""What the runs ran on and their configs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bnexp.config.yaml.writer import write_yaml
from bnexp.runs.record import RunRecord, Scalar, unflatten
from bnexp.wording import count, write_value

_KEYS: Mapping[str, str] = {
    "device.name": "device",
    "device.type": "device type",
    "threads": "threads",
    "processor": "processor",
    "cpu_count": "processor cores",
    "platform": "platform",
    "git.commit": "git commit",
    "git.dirty": "uncommitted changes",
    "git.changes": "digest of the changes",
    "dataset.name": "dataset",
    "dataset.fingerprint": "dataset fingerprint",
    "dataset.train_images": "training images",
    "dataset.test_images": "test images",
}
_VERSIONS = "versions."
_MOST_VALUES = 4
"""Different values of a key that are listed; the rest is counted."""


class Fact(NamedTuple):
    """What is known of the runs' surroundings under one label."""

    label: str
    value: str
    differs: bool = False


def list_facts(records: Sequence[RunRecord]) -> list[Fact]:
    """Returns what all runs share, and if they differ, how many runs have which value."""
    environments = [record.environment for record in records]
    keys = dict.fromkeys(key for environment in environments for key in environment)
    labels = {key: key.removeprefix(_VERSIONS) for key in keys if key.startswith(_VERSIONS)}
    versions = {key: shared_value(environments, key) for key in labels}
    named = [f"{labels[key]} {value}" for key, value in versions.items() if value is not None]
    facts = [Fact("versions", ", ".join(named))] if named else []
    for key, label in {**labels, **_KEYS}.items():
        values = [environment.get(key) for environment in environments]
        if versions.get(key) is None and set(values) - {None}:
            facts.append(_fact(label, values))
    begun = [
        str(environment["created"]) for environment in environments if environment.get("created")
    ]
    if begun:
        ends = dict.fromkeys(map(_moment, (min(begun), max(begun))))
        facts.append(Fact("begun", " to ".join(ends)))
    return facts


def shared_value(mappings: Iterable[Mapping[str, Scalar]], key: str) -> Scalar:
    """Returns what all mappings have under the key, None if some lack it or they differ."""
    values = {mapping.get(key) for mapping in mappings}
    return values.pop() if len(values) == 1 else None


def describe_data(records: Sequence[RunRecord]) -> str:
    """Returns `cifar10, images: 45,000 for training`; nothing if the runs differ in it."""
    environments = [record.environment for record in records]
    configs = [record.config for record in records]

    def size(mappings: Iterable[Mapping[str, Scalar]], key: str) -> int:
        value = shared_value(mappings, key)
        return value if isinstance(value, int) else 0

    name = shared_value(environments, "dataset.name") or shared_value(configs, "data.name")
    if name is None:
        return ""
    rest = size(environments, "dataset.train_images") - size(configs, "data.val_size")
    sizes = {
        "for training": size(configs, "data.train_size") or rest,
        "for testing": size(environments, "dataset.test_images"),
    }
    parts = [f"{number:,} {kind}" for kind, number in sizes.items() if number > 0]
    return write_value(name) + (f", images: {', '.join(parts)}" if parts else "")


def write_configs(records: Sequence[RunRecord]) -> dict[str, str]:
    """Returns the resolved config of the first run of each experiment's folder, by its title."""
    firsts: dict[object, RunRecord] = {}
    for record in records:
        if record.config:
            firsts.setdefault(record.experiment_folder, record)
    return {
        f"Resolved config of {run.experiment}: {run.cell}, seed {run.seed}": write_yaml(
            unflatten(run.config)
        )
        for run in firsts.values()
    }


def _fact(label: str, values: Sequence[Scalar]) -> Fact:
    counts = Counter(_write(value) for value in values)
    if len(counts) == 1:
        return Fact(label, next(iter(counts)))
    shown = [f"{value} ({count(runs, 'run')})" for value, runs in counts.most_common(_MOST_VALUES)]
    if len(counts) > _MOST_VALUES:
        shown.append(f"{len(counts) - _MOST_VALUES} more")
    return Fact(label, ", ".join(shown), differs=True)


def _write(value: Scalar) -> str:
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else write_value(value)


def _moment(date: str) -> str:
    """Returns `2026-11-20 11:07 +0000` for an ISO date with seconds, and all else as it is."""
    try:
        return f"{datetime.fromisoformat(date):%Y-%m-%d %H:%M %z}".strip()
    except ValueError:
        return date
