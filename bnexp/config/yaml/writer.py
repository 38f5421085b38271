"""Writes plain values as YAML that both YAML 1.1 and 1.2 readers read back the same."""

from __future__ import annotations

from typing import Any

import yaml

from bnexp.config.yaml.node import Position
from bnexp.config.yaml.reader import INVISIBLE, read_scalar
from bnexp.errors import ConfigError


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper; texts that YAML 1.2 would read as something else are quoted."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401
        return True


def _represent_text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style=None if _is_text(value) else "'"
    )


def _is_text(value: str) -> bool:
    if INVISIBLE.search(value):
        return False
    try:
        return isinstance(read_scalar(value, Position("", 1, 1)), str)
    except ConfigError:
        return False


_Dumper.add_representer(str, _represent_text)


def write_yaml(value: Any) -> str:  # noqa: ANN401 - any plain value
    """Returns `value` (mappings, lists, scalars) as a YAML document in block style."""
    return _dump(value, is_flow=False)


def write_flow(value: Any) -> str:  # noqa: ANN401 - any plain value
    """Returns `value` as YAML in one line, e.g. `[none, batch]`."""
    return _dump(value, is_flow=True).removesuffix("...\n").strip()


def _dump(value: Any, *, is_flow: bool) -> str:  # noqa: ANN401 - any plain value
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=is_flow,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    )
    return text
