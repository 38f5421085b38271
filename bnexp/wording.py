"""How counts and config values are written in every message and report."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Returns `1 seed` or `3,000 seeds`; with a noun in -s, `1 class` or `3 classes`."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"


def write_value(value: str | float | bool | None) -> str:
    """Returns a config value as it would stand in YAML, and stands in the cells' names."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
