"""What is written down of a run's config: every default spelled out, or flat for TensorBoard."""

from __future__ import annotations

import re
from typing import Any

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import RunSpec
from bnexp.config.yaml.writer import write_yaml
from bnexp.runs import Scalar, flatten
from bnexp.runs.seal import MODEL

_HEADER = "# The resolved config of one run: every default is written out.\n"


def resolved_config(spec: RunSpec) -> dict[str, Any]:
    """Returns the config of a run as plain values, every default written out."""
    return spec.config.model_dump(mode="json", exclude={"sweep"})


def repeatable_config(spec: RunSpec) -> dict[str, Any]:
    """Returns the resolved config, under a name of its own if it is one cell of several.

    Trained again, it makes an experiment beside the one that it belongs to. A model's file is the
    copy in the run's folder.
    """
    config = resolved_config(spec)
    if spec.config.model.code is not None:
        config["model"]["path"] = MODEL
    if spec.cell != "base":
        own = re.sub(r"[^A-Za-z0-9._]+", "-", f"{spec.config.name}-{spec.cell}-seed-{spec.seed}")
        config["name"] = own[:80]
        del config["claim"]  # about the whole sweep, which one run cannot decide
    return config


def config_text(spec: RunSpec) -> str:
    """Returns the content of a run's config.yaml."""
    return _HEADER + write_yaml(repeatable_config(spec))


def hyperparameters(config: ExperimentConfig) -> dict[str, Scalar]:
    """Returns what a run's figures depend on as flat keys and scalars, without the seed.

    A list (e.g. the layers) becomes one text, so that it takes one column.
    """
    content = config.model_dump(mode="json", exclude={"name", "sweep", "claim", "diagnostics"})
    del content["train"]["seed"]
    short = config.model_dump(mode="json", exclude_unset=True)
    return flatten(_shorten_lists(content, short))


def _shorten_lists(content: Any, short: Any) -> Any:  # noqa: ANN401 - plain values
    if isinstance(content, dict):
        inner = short if isinstance(short, dict) else {}
        return {key: _shorten_lists(value, inner.get(key)) for key, value in content.items()}
    if isinstance(content, list):
        return " ".join(_shorten(item) for item in (short or content)) or "none"
    return content


def _shorten(item: Any) -> str:  # noqa: ANN401 - plain values
    if not isinstance(item, dict):
        return str(item)
    parts = [
        f"{key}={_shorten(value)}"
        for key, value in item.items()
        if value is not None and key != "name"
    ]
    inner = ",".join(parts)
    if "name" in item:
        return f"{item['name']}({inner})" if inner else str(item["name"])
    return inner
