"""Chooses runs by the values of their config: `--where norm=batch`, `--by learning_rate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose

from bnexp.analysis.cells import swept_keys
from bnexp.errors import UsageError, did_you_mean, suggest
from bnexp.familiar_names import find_ours
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
    last_words = [key.removesuffix(".name").rpartition(".")[2] for key in known]
    hint = suggest(find_ours(name, last_words)) or did_you_mean(name, known) or shown
    raise UsageError(f"{option}: no run has a key '{name}'{hint}")


def select_runs(
    records: Sequence[RunRecord], conditions: Sequence[str]
) -> tuple[tuple[RunRecord, ...], dict[str, tuple[str, ...]]]:
    """Returns the runs that satisfy `key=value` conditions, and these with their whole keys.

    Of several values for one key, a run has any; of several keys, it satisfies all. A part is
    matched by its name, whatever its options: `norm=group` matches `group(num_groups=4)`. So is
    one that is written with options, whether they were swept with it or as keys of their own.

    Raises:
        UsageError: A condition has no `=`, its key is unknown, no run has one of the values, or
            none satisfies them all.
    """
    wanted: dict[str, list[str]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals or name.strip()[-1:] in ("", "!", "<", ">", "~"):
            raise UsageError(f"--where: '{condition}' is not KEY=VALUE, e.g. norm=batch")
        # Reports write a key with spaces: learning rate 0.1.
        key = find_key(name.strip().replace(" ", "_"), records, "--where")
        wanted.setdefault(key, []).append(value.strip())
    left = tuple(records)
    for key, values in wanted.items():
        missing = [text for text in values if not any(_has(run, key, text) for run in records)]
        found = tuple(run for run in left if any(_has(run, key, text) for text in values))
        if missing or not found:
            runs, wrong = (records, missing) if missing else (left, values)
            there = list(dict.fromkeys(write_value(_value(run, key)) for run in runs))
            whose = "no run" if missing else "no run that satisfies the other conditions"
            hint = did_you_mean(wrong[0], there) if missing else ""
            raise UsageError(
                f"--where: {whose} has {key} = {' or '.join(wrong)}{hint}; it is {', '.join(there)}"
            )
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
    """Whether a run has a value: a part by its name, or by its name and some of its options."""
    value = _value(run, key)
    if _is_value(value, text):
        return True
    root = key.removesuffix(".name")
    name, bracket, options = text.partition("(")
    if f"{root}.name" not in run.config or write_value(value).partition("(")[0] != name:
        return False
    wanted = [one.partition("=") for one in options.removesuffix(")").split(",") if bracket]
    return all(
        (full := f"{root}.{option.strip()}") in run.config
        and _is_value(run.config[full], wish.strip())
        for option, _, wish in wanted
    )


def _is_value(value: Scalar, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return isclose(value, float(text), rel_tol=1e-12)
        except ValueError:
            return False
    return write_value(value) == text
