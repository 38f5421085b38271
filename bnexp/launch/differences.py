"""How the config of a run on disk differs from the one that a command asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bnexp.config.load import RunSpec
from bnexp.config.train import NOT_FINGERPRINTED
from bnexp.launch.resolved_config import resolved_config
from bnexp.runs import RunRecord, Scalar, flatten
from bnexp.wording import write_value

_LEAVES_THE_RUN_THE_SAME = {
    "name",
    "model.path",
    *(f"{section}.{key}" for section, keys in NOT_FINGERPRINTED.items() for key in keys),
}


def find_differing_keys(record: RunRecord, spec: RunSpec) -> list[str]:
    """Returns the keys in which the recorded config is another one than that of the spec."""
    old, new = record.config, _flat_config(spec)
    keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key, ...) != new.get(key, ...)]
    return [key for key in keys if key not in _LEAVES_THE_RUN_THE_SAME]


def describe_differences(record: RunRecord, spec: RunSpec, keys: Sequence[str]) -> str:
    """Returns in words what the first of these keys are on disk, and what is asked for."""
    old, new = record.config, _flat_config(spec)
    words = [
        f"the file {new['model.path']} has changed"
        if key == "model.sha256" and {key, "model.path"} <= old.keys() & new.keys()
        else f"{key} is {_shown(old, key)} there and {_shown(new, key)} here"
        for key in keys[:5]
    ]
    if len(keys) > 5:
        words.append(f"and {len(keys) - 5} more keys differ")
    return ", ".join(words)


def _flat_config(spec: RunSpec) -> Mapping[str, Scalar]:
    return flatten({key: value for key, value in resolved_config(spec).items() if key != "claim"})


def _shown(config: Mapping[str, Scalar], key: str) -> str:
    return write_value(config[key]) if key in config else "not set"
