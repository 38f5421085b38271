"""Networks before they are built: layers by name, with every size known, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bnexp.norms import Dimensions, NormConfig

MOST_CHANNELS = 65_536
"""Wider layers are taken for a slip: their weights alone would fill a machine."""


def _refuse_even(size: int) -> int:
    if size % 2 == 0:
        raise PydanticCustomError("even", "must be odd, so that the padding is symmetric")
    return size


OddKernelSize = Annotated[int, Field(ge=1, le=4095), AfterValidator(_refuse_even)]
"""Height and width of a kernel whose padding keeps the size; larger ones are taken for a slip."""

Activation = Literal[
    "relu", "leaky_relu", "elu", "prelu", "gelu", "silu", "tanh", "sigmoid", "identity"
]
Placement = Literal["before_activation", "after_activation"]

ACTIVATIONS: dict[Activation, str] = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "prelu": "PReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "identity": "Identity",
}
"""PyTorch's class of each activation; it is built with PyTorch's defaults."""
_MEAN = "GlobalAveragePool"
_KEEP_MEANS = ("AvgPool2d", "Dropout", "Identity")
"""Layers that, in evaluation, leave the mean over space as it is."""


class LayerPlan:
    """A layer: the name of its class in `bnexp.models.layers` or `torch.nn`, and its arguments.

    An argument that is given by name may be a plan itself.
    """

    def __init__(self, kind: str, *arguments: float, **options: Any) -> None:  # noqa: ANN401
        self.kind = kind
        self.arguments = arguments
        self.options = options


@dataclass(frozen=True)
class NormSite:
    """One place where a model normalizes: which norm, and the `(C, H, W)` it sees."""

    path: tuple[str | int, ...]
    """Keys below `model` that lead to the layer, for messages."""
    norm: NormConfig
    shape: tuple[int, int, int]
    """H = W = 1 if the norm sees `(N, C)`."""
    dimensions: Dimensions = 2
    """The form in which the norm is built."""


Plan = Mapping[str, "LayerPlan | NormSite | Plan"]
"""Layers in the order in which an image passes them, by the names that their parameters get."""


def find_norms(plan: Plan) -> Iterator[NormSite]:
    """Yields the places of a plan where something is normalized, in order."""
    for part in plan.values():
        if isinstance(part, LayerPlan):
            yield from find_norms(part.options)
        elif isinstance(part, Mapping):
            yield from find_norms(part)
        elif isinstance(part, NormSite) and part.norm.normalizes:
            yield part


def find_pooled_norm(plan: Plan) -> NormSite | None:
    """Returns the norm of whose output the rest of the network sees the mean over space only.

    None if there is no such mean, or something other than a norm comes right before it.
    """
    leaves = list(_list_leaves(plan))
    kinds = [leaf.kind if isinstance(leaf, LayerPlan) else "" for leaf in leaves]
    if _MEAN not in kinds:
        return None
    for leaf, kind in reversed([*zip(leaves, kinds, strict=True)][: kinds.index(_MEAN)]):
        if isinstance(leaf, NormSite) and leaf.norm.normalizes:
            return leaf
        if isinstance(leaf, LayerPlan) and kind not in _KEEP_MEANS:
            return None
    return None


def _list_leaves(plan: Plan) -> Iterator[LayerPlan | NormSite]:
    for part in plan.values():
        if isinstance(part, Mapping):
            yield from _list_leaves(part)
        else:
            yield part


def plan_dropout(share: float) -> LayerPlan:
    """Returns a dropout of that share of the values, or the identity if nothing is dropped."""
    return LayerPlan("Dropout", share) if share else LayerPlan("Identity")


def plan_norm_and_activation(
    norm: NormSite, activation: Activation, placement: Placement
) -> dict[str, LayerPlan | NormSite]:
    """Returns the two in the order that `placement` says."""
    layer = LayerPlan(ACTIVATIONS[activation])
    if placement == "before_activation":
        return {"norm": norm, "activation": layer}
    return {"activation": layer, "norm": norm}


def check_depth(depth: int, step: int, rest: int, examples: str) -> int:
    """Returns a depth that is `step`·n + `rest`, with n at least 1.

    Raises:
        PydanticCustomError: It is not; the message names the nearest ones that are.
    """
    below = depth - (depth - rest) % step
    if below == depth > rest:
        return depth
    nearest = " and ".join(str(each) for each in (below, below + step) if each > rest)
    verb = "are" if below > rest else "is"
    reason = "must be {form}, e.g. {examples}; the nearest {verb} {nearest}"
    words = {"form": f"{step}n+{rest}", "examples": examples, "verb": verb, "nearest": nearest}
    raise PydanticCustomError("depth", reason, words)
