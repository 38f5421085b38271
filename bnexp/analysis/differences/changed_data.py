"""Finds runs that were trained on other data than what lies in the same place today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bnexp.analysis.results import Caveat
from bnexp.errors import DataError
from bnexp.runs.record import RunRecord, unflatten
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.data import DatasetConfig

_SHOWN = 12
"""Characters of a fingerprint that are shown."""

Measure = Callable[["DatasetConfig"], str]
"""Loads a dataset and returns its fingerprint."""


def read_data_config(record: RunRecord) -> DatasetConfig | None:
    """Returns the config of a run's dataset, at the place it had then; None if it is unknown."""
    from pydantic import ValidationError

    from bnexp.data import DATASETS  # slow: the schema
    from bnexp.parts import part_name

    keys = [key for key in record.config if key.startswith("data.")]
    flat = {key.removeprefix("data."): record.config[key] for key in keys}
    member = next((one for one in DATASETS if part_name(one) == flat.get("name")), None)
    if member is None:
        return None
    flat["root"] = record.environment.get("dataset.root")
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in unflatten(flat).items()
    }
    try:
        return member.model_validate(options)
    except ValidationError:
        return None


def find_changed_data(
    records: Iterable[RunRecord],
    find_config: Callable[[RunRecord], DatasetConfig | None] = read_data_config,
    measure: Measure | None = None,
) -> tuple[Caveat, ...]:
    """Returns a caveat for each dataset that has changed since runs were trained on it.

    Without `measure`, names and sizes of the files are compared, which takes no longer than
    listing them and overlooks a file that was replaced by one of the same size. With it,
    nothing is overlooked. Data that is gone, or cannot change, is passed over.
    """
    groups: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in records:
        found = record.environment
        key = tuple(found.get(f"dataset.{word}") for word in ("fingerprint", "signature", "root"))
        if key[0]:
            groups.setdefault(key, []).append(record)
    return tuple(
        caveat
        for runs in groups.values()
        if (data := find_config(runs[0]))
        for caveat in _compare(runs, data, measure)
    )


def _compare(
    runs: Sequence[RunRecord], data: DatasetConfig, measure: Measure | None
) -> Iterator[Caveat]:
    then, signature = runs[0].environment, data.signature()
    if signature is None:
        return
    before, today = str(then["dataset.fingerprint"]), "has other files now"
    if measure is None:
        is_same = signature == then.get("dataset.signature", signature)
    else:
        try:
            now = measure(data)
        except DataError as error:
            subject = f"the data of {count(len(runs), 'run')} that ended cannot be checked"
            yield Caveat("changed data", subject, (str(error),))
            return
        is_same, today = now == before, f"is {now[:_SHOWN]} now"
    if not is_same:
        yield Caveat(
            "changed data",
            f"the data has changed since {count(len(runs), 'run')} began ({_write_dates(runs)})",
            (f"{data.name} in {data.root} was {before[:_SHOWN]} then and {today}",),
            "put it back, or train all runs again with --force",
        )


def _write_dates(runs: Sequence[RunRecord]) -> str:
    """Returns the day on which the runs began, or the first and the last of several."""
    created = {str(run.environment.get("created", "day unknown"))[:10] for run in runs}
    return " to ".join(dict.fromkeys((min(created), max(created))))
