"""What the runs ran on and how to repeat them, as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bnexp.analysis.results import Comparison
from bnexp.config.yaml.writer import write_yaml
from bnexp.reports.html.markup import Markup, breakable, join, tag, text
from bnexp.reports.words.commands import compare_command, train_command
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


def render_environment(records: Sequence[RunRecord]) -> Markup | None:
    """Returns what all runs share, and if they differ, how many runs have which value.

    None if nothing is recorded.
    """
    versions = [key for key in _keys(records) if key.startswith(_VERSIONS)]
    shared = [key for key in versions if len({run.environment.get(key) for run in records}) == 1]
    named = [f"{key.removeprefix(_VERSIONS)} {records[0].environment[key]}" for key in shared]
    rows = [("versions", text(", ".join(named)))] if named else []
    labels = {key: key.removeprefix(_VERSIONS) for key in versions if key not in shared}
    rows += [
        (label, _values([run.environment.get(key) for run in records]))
        for key, label in {**labels, **_KEYS}.items()
        if any(run.environment.get(key) is not None for run in records)
    ]
    dates = sorted(
        str(record.environment["created"])
        for record in records
        if record.environment.get("created")
    )
    if dates:
        first, last = _moment(dates[0]), _moment(dates[-1])
        rows.append(("begun", text(first if first == last else f"{first} to {last}")))
    if not rows:
        return None
    items = (tag("div", tag("dt", label), tag("dd", value)) for label, value in rows)
    return tag("dl", *items, class_="facts")


def render_repetition(comparisons: Sequence[Comparison], records: Sequence[RunRecord]) -> Markup:
    """Returns the commands that made the runs and this comparison, and one config each."""
    trained = dict.fromkeys(train_command(record.environment) for record in records)
    lines = [*filter(None, trained), compare_command(comparisons, records)]
    return tag("pre", tag("code", "\n".join(lines))) + join(
        _config(record) for record in _first_of_each(records)
    )


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


def _keys(records: Sequence[RunRecord]) -> dict[str, None]:
    return dict.fromkeys(key for record in records for key in record.environment)


def _values(values: Sequence[Scalar]) -> Markup:
    counts = Counter(_write(value) for value in values)
    if len(counts) == 1:
        return breakable(next(iter(counts)))
    most = counts.most_common(_MOST_VALUES)
    shown = [f"{value} ({count(number, 'run')})" for value, number in most]
    more = len(counts) - _MOST_VALUES
    shown += [f"{more} more"] if more > 0 else []
    return tag("em", "differs: ") + breakable(", ".join(shown))


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


def _first_of_each(records: Sequence[RunRecord]) -> Iterable[RunRecord]:
    """Returns the first run of each experiment's folder that has a config."""
    firsts: dict[object, RunRecord] = {}
    for record in records:
        if record.config:
            firsts.setdefault(record.path.parent.parent, record)
    return firsts.values()


def _config(record: RunRecord) -> Markup:
    title = f"Resolved config of {record.experiment}: {record.cell}, seed {record.seed}"
    return tag(
        "details",
        tag("summary", breakable(title)),
        tag("pre", tag("code", write_yaml(nest(record.config)))),
    )
