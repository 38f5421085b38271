"""Chooses runs by the values of their config: `--where norm=batch`, `--by learning_rate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose

from bnexp.analysis.cells import swept_keys
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs.record import RunRecord, Scalar, find_value
from bnexp.wording import write_value


def find_key(name: str, records: Sequence[RunRecord], option: str) -> str:
    """Returns the whole key that a name stands for: `norm` for `model.norm.name`.

    A swept key is taken before one that is not; else the name must end one key alone.

    Raises:
        UsageError: No key ends like that, or several do.
    """
    swept = swept_keys(records)
    known = tuple(dict.fromkeys((*swept, *(key for record in records for key in record.config))))
    for keys in (swept, known):
        exact = [key for key in keys if key in (name, f"{name}.name")]
        ending = [key for key in keys if key.endswith((f".{name}", f".{name}.name"))]
        for found in (exact, ending):
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(
                    f"{option}: '{name}' could mean {' or '.join(found)}; write one of them"
                )
    shown = f"; the swept keys are {', '.join(swept)}" if swept else ""
    raise UsageError(f"{option}: no run has a key '{name}'{did_you_mean(name, known) or shown}")


def select_runs(
    records: Sequence[RunRecord], conditions: Sequence[str]
) -> tuple[tuple[RunRecord, ...], dict[str, tuple[str, ...]]]:
    """Returns the runs that satisfy `key=value` conditions, and these with their whole keys.

    Of several values for one key, a run has any; of several keys, it satisfies all. A part is
    matched by its name, whatever its options: `norm=group` matches `group(num_groups=4)`.

    Raises:
        UsageError: A condition has no `=`, its key is unknown, no run has one of the values, or
            none satisfies them all.
    """
    wanted: dict[str, list[str]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"--where: '{condition}' is not KEY=VALUE, e.g. norm=batch")
        wanted.setdefault(find_key(name.strip(), records, "--where"), []).append(value.strip())
    left = tuple(records)
    for key, values in wanted.items():
        missing = [text for text in values if not any(_has(run, key, text) for run in records)]
        found = tuple(run for run in left if any(_has(run, key, text) for text in values))
        if missing or not found:
            runs, wrong = (records, missing) if missing else (left, values)
            there = ", ".join(dict.fromkeys(write_value(_value(run, key)) for run in runs))
            raise UsageError(f"--where: no run has {key} = {' or '.join(wrong)}; it is {there}")
        left = found
    return left, {key: tuple(values) for key, values in wanted.items()}


def split_runs(
    records: Sequence[RunRecord], name: str
) -> tuple[str, Mapping[str, tuple[RunRecord, ...]]]:
    """Returns the whole key, and the runs by their value of it, in order of appearance.

    Raises:
        UsageError: The key is unknown.
    """
    key = find_key(name, records, "--by")
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(write_value(_value(record, key)), []).append(record)
    return key, {value: tuple(runs) for value, runs in groups.items()}


def _value(run: RunRecord, key: str) -> Scalar:
    return find_value(key, run.settings, run.config)


def _has(run: RunRecord, key: str, text: str) -> bool:
    value, part = _value(run, key), run.config.get(f"{key}.name")
    has_options = isinstance(value, str) and value.startswith(f"{text}(")
    return _is_value(value, text) or (has_options and part == text)


def _is_value(value: Scalar, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return isclose(value, float(text), rel_tol=1e-12)
        except ValueError:
            return False
    return write_value(value) == text
