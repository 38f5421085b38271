"""Finds cells of a sweep that train the same network in the same way, without building any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bnexp.config.load import RunSpec
from bnexp.models.model import NetworkConfig
from bnexp.models.plans import LayerPlan, NormSite, find_norms


def find_same_cells(runs: Sequence[RunSpec]) -> list[tuple[str, ...]]:
    """Returns the cells that give the same figures as each other, group by group.

    A key can make no difference, e.g. `placement` if there is no norm to place. Networks that are
    more than their plan, and data that must be loaded to know their size, are compared by config.
    """
    groups: dict[str, list[str]] = {}
    for run in {run.cell: run for run in reversed(runs)}.values():
        groups.setdefault(repr(_describe(run)), []).append(run.cell)
    return [tuple(reversed(cells)) for cells in reversed(groups.values()) if len(cells) > 1]


def _describe(run: RunSpec) -> dict[str, Any]:
    """Returns all that a run's figures depend on, besides its seed."""
    config = run.config
    content = config.model_dump(mode="json", exclude={"name", "sweep", "claim", "diagnostics"})
    del content["train"]["seed"]
    if content["train"]["trainable"] == "all":
        del content["train"]["train_output_layer"]
    optim = content["optim"]
    # Rounded, since 3 × 0.1 is not 0.3 to the last bit.
    optim["learning_rate"] = f"{optim['learning_rate'] * optim.pop('learning_rate_factor'):.12g}"
    if not optim["weight_decay"]:
        del optim["decay_norm"]
    if optim.get("momentum") == 0:
        del optim["nesterov"]
    facts = config.data.facts()
    model = config.model
    if isinstance(model, NetworkConfig) and _is_its_plan(model) and facts is not None:
        layers, features = model.plan(facts.image_shape)
        initialization = content["model"]["initialization"]
        content["model"] = [_simplify(layers, config.data.batch_size), features, initialization]
        if not any(find_norms(layers)):
            optim.pop("decay_norm", None)
    return content


def _is_its_plan(model: NetworkConfig) -> bool:
    return type(model).build is NetworkConfig.build


def _simplify(part: object, batch_size: int) -> Any:  # noqa: ANN401 - nested lists, dicts and values
    """Returns a plan as plain values, without what does nothing."""
    if isinstance(part, LayerPlan):
        return [part.kind, part.arguments, _simplify(part.options, batch_size)]
    if isinstance(part, NormSite):
        return part.norm.find_equivalent(batch_size).model_dump(mode="json")
    if isinstance(part, Mapping):
        busy = ((name, child) for name, child in part.items() if not _is_idle(child))
        return {name: _simplify(child, batch_size) for name, child in busy}
    return part


def _is_idle(part: object) -> bool:
    is_identity = isinstance(part, LayerPlan) and part.kind == "Identity"
    return is_identity or (isinstance(part, NormSite) and not part.norm.normalizes)
