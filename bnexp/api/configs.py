"""Configs as Python sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnexp.config.load import Experiment, load_experiment
from bnexp.config.shipped import find_shipped


def load_config(
    path: str | Path, overrides: Sequence[str] = (), tier: str | None = None
) -> Experiment:
    """Reads and checks a config: `load_config("c.yaml", ["model.norm=group"]).runs[0].config`.

    Args:
        path: A YAML file, or the name of a config that comes with bnexp.
        overrides: Values to replace, as `-s` takes them.
        tier: One of the config's tiers.

    Raises:
        UsageError: There is no such file or tier, or an override is not `key=value`.
        ConfigError: All mistakes in the config.
    """
    file = Path(path)
    return load_experiment(file if file.exists() else find_shipped(str(path)).path, overrides, tier)
