"""What the runs ran on and their configs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from bnexp.config.yaml.writer import write_yaml
from bnexp.runs.record import RunRecord, Scalar
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
    keys = dict.fromkeys(key for record in records for key in record.environment)
    versions = {key: key.removeprefix(_VERSIONS) for key in keys if key.startswith(_VERSIONS)}
    shared = {key: shared_value(records, "environment", key) for key in versions}
    named = [f"{versions[key]} {value}" for key, value in shared.items() if value is not None]
    facts = [Fact("versions", ", ".join(named))] if named else []
    others = {key: name for key, name in versions.items() if shared[key] is None}
    facts += [
        _fact(label, [run.environment.get(key) for run in records])
        for key, label in {**others, **_KEYS}.items()
        if any(run.environment.get(key) is not None for run in records)
    ]
    begun = [record.environment.get("created") for record in records]
    moments = [_moment(date) for date in sorted(str(date) for date in begun if date)]
    if moments:
        ends = dict.fromkeys((moments[0], moments[-1]))
        facts.append(Fact("begun", " to ".join(ends)))
    return facts


def shared_value(
    records: Iterable[RunRecord], source: Literal["environment", "config"], key: str
) -> Scalar:
    """Returns what all records have under the key, None if some lack it or they differ."""
    values = {getattr(record, source).get(key) for record in records}
    return values.pop() if len(values) == 1 else None


def describe_data(records: Sequence[RunRecord]) -> str:
    """Returns `cifar10, images: 45,000 for training`; nothing if the runs differ in it."""

    def size(source: Literal["environment", "config"], key: str) -> int:
        value = shared_value(records, source, key)
        return value if isinstance(value, int) else 0

    name = shared_value(records, "environment", "dataset.name")
    name = name or shared_value(records, "config", "data.name")
    if name is None:
        return ""
    rest = size("environment", "dataset.train_images") - size("config", "data.val_size")
    sizes = {
        "for training": size("config", "data.train_size") or rest,
        "for testing": size("environment", "dataset.test_images"),
    }
    parts = [f"{number:,} {kind}" for kind, number in sizes.items() if number > 0]
    return write_value(name) + (f", images: {', '.join(parts)}" if parts else "")


def write_configs(records: Sequence[RunRecord]) -> dict[str, str]:
    """Returns the resolved config of the first run of each experiment's folder, by its title."""
    firsts: dict[object, RunRecord] = {}
    for record in records:
        if record.config:
            firsts.setdefault(record.path.parent.parent, record)
    return {
        f"Resolved config of {run.experiment}: {run.cell}, seed {run.seed}": write_yaml(
            nest(run.config)
        )
        for run in firsts.values()
    }


def nest(flat: Mapping[str, Scalar]) -> Any:  # noqa: ANN401 - any YAML
    """Returns the tree whose flattening the mapping is: dotted keys become mappings and lists."""
    if set(flat) == {""}:
        return {"{}": {}, "[]": []}.get(str(flat[""]), flat[""])
    groups: dict[str, dict[str, Scalar]] = {}
    for key, value in flat.items():
        head, _, rest = key.partition(".")
        groups.setdefault(head, {})[rest] = value
    children = {key: nest(group) for key, group in groups.items()}
    if list(children) == [str(index) for index in range(len(children))]:
        return list(children.values())
    return children


def _fact(label: str, values: Sequence[Scalar]) -> Fact:
    counts = Counter(_write(value) for value in values)
    if len(counts) == 1:
        return Fact(label, next(iter(counts)))
    most = counts.most_common(_MOST_VALUES)
    shown = [f"{value} ({count(number, 'run')})" for value, number in most]
    more = len(counts) - _MOST_VALUES
    shown += [f"{more} more"] if more > 0 else []
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
