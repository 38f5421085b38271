"""Builds what was planned; parameter names do not depend on the norm, so that cells pair."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from bnexp.models import layers
from bnexp.models.plans import LayerPlan, NormSite, Plan


def build_network(plan: Plan) -> layers.Sequential:
    """Returns the planned layers, one after the other."""
    return layers.Sequential(OrderedDict((name, _build(part)) for name, part in plan.items()))


def _build(part: LayerPlan | NormSite | Plan) -> nn.Module:
    if isinstance(part, NormSite):
        return part.norm.build(part.shape[0], part.dimensions)
    if not isinstance(part, LayerPlan):
        return build_network(part)
    options = {
        name: _build(value) if isinstance(value, LayerPlan | Mapping) else value
        for name, value in part.options.items()
    }
    kind = getattr(layers, part.kind, None) or getattr(nn, part.kind)
    layer: nn.Module = kind(*part.arguments, **options)
    return layer
