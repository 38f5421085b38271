"""The tags of diagnostics: which quantity, and of which layers."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

DIAGNOSTICS = "diag/"
"""What the tags of diagnostics begin with."""

WHOLE = "all"
"""Stands in a tag for the whole network, in place of a layer."""

LayerReduction = Literal["median", "mean", "min", "max"]
"""How the figures of several layers become one."""


def is_diagnostic(metric: str) -> bool:
    """Returns whether the metric is what a diagnostic measures."""
    return metric.startswith(DIAGNOSTICS)


def split_diagnostic(metric: str) -> tuple[str, str]:
    """Returns the quantity and the layer of `diag/gradient_norm/conv1`.

    The layer may be a pattern, e.g. `stages.0.*`; it is empty if the metric names none.
    """
    name, _, layer = metric.removeprefix(DIAGNOSTICS).partition("/")
    return name, layer


def has_pattern(metric: str) -> bool:
    """Returns whether the metric is a diagnostic's of all layers that fit a pattern."""
    layer = split_diagnostic(metric)[1] if is_diagnostic(metric) else ""
    return any(sign in layer for sign in "*?[")


def complete_tag(metric: str, layers: LayerReduction | None) -> str:
    """Returns the tag that a metric of one figure means: `diag/gradient_norm/all` for all of it."""
    is_short = is_diagnostic(metric) and not (split_diagnostic(metric)[1] or layers)
    return f"{metric}/{WHOLE}" if is_short else metric


def find_tags(
    tags: Iterable[str], metric: str, layers: LayerReduction | None = None
) -> tuple[str, ...]:
    """Returns those of a run's tags that a metric means, in the order of the network.

    Without a reduction it is one tag, and `diag/gradient_norm` means that of the whole network.
    With one it is those of the layers that fit, of all if the metric names none.
    """
    name, layer = split_diagnostic(metric)
    if layers is None:
        return tuple(tag for tag in tags if tag == complete_tag(metric, None))
    found = []
    for tag in tags:
        own_name, own_layer = split_diagnostic(tag)
        is_layer = own_name == name and own_layer != WHOLE
        if is_layer and fnmatchcase(own_layer, layer or "*"):
            found.append(tag)
    return tuple(found)
