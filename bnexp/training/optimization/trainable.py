"""Which of a network's parameters are trained: all, the norms' own, or as many random weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnexp.config.train import TrainConfig
from bnexp.errors import UsageError
from bnexp.models.plans import NormSite
from bnexp.models.summary import find_norm_modules
from bnexp.seeding import derive_seed
from bnexp.training.initialization import find_output_layer


class WeightPart:
    """Some values of a weight, which the optimiser trains in a vector of their own.

    So neither weight decay nor momentum can reach the other values, which stay as they are, bit
    for bit.
    """

    def __init__(self, weight: nn.Parameter, is_chosen: Tensor) -> None:
        self._weight = weight
        # Not `unravel_index`, which imports PyTorch's compiler.
        self._places = is_chosen.view(weight.shape).to(weight.device).nonzero(as_tuple=True)
        self.values = nn.Parameter(weight.detach()[self._places])
        """The chosen values `(K,)`; current between `take` and the next `put_back`."""

    @torch.no_grad()
    def take(self) -> None:
        """Takes values and gradient from the weight, after its backward pass."""
        assert self._weight.grad is not None
        self.values.copy_(self._weight[self._places])
        self.values.grad = self._weight.grad[self._places]
        self._weight.grad = None

    @torch.no_grad()
    def put_back(self) -> None:
        """Writes the values into the weight."""
        self._weight[self._places] = self.values


@dataclass(frozen=True)
class Trained:
    """What is trained of a network."""

    whole: Mapping[str, nn.Parameter]
    """The parameters of which every value is trained, by name."""
    parts: Mapping[str, WeightPart]
    """The weights of which some values are trained, by name."""

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What the optimiser updates, by the name of its parameter."""
        return {**self.whole, **{name: part.values for name, part in self.parts.items()}}

    def count(self) -> int:
        """Returns how many values are trained."""
        return sum(value.numel() for value in self.parameters.values())


def choose_trained(model: nn.Module, config: TrainConfig, sites: Iterable[NormSite]) -> Trained:
    """Returns what the config trains of a network; gradients of the rest are switched off.

    `sites` are the places where the network normalizes. Which weights are chosen at random
    depends on the seed and on their layers' names and shapes alone.

    Raises:
        UsageError: The network has no norm parameters, or too few weights beside them.
    """
    named = dict(model.named_parameters())
    if config.trainable == "all":
        return Trained(named, {})
    norms = find_norm_modules(model, sites)
    own = {id(value) for norm in norms for value in norm.parameters()}
    of_norms = {name: value for name, value in named.items() if id(value) in own}
    if not of_norms:
        raise UsageError(f"train.trainable: {config.trainable}, but the norms have no parameters")
    output = find_output_layer(model) if config.train_output_layer else None
    whole = {name: value for name, value in named.items() if output and _is_of(output, name)}
    parts = {}
    if config.trainable == "norms":
        whole = {**of_norms, **whole}
    else:
        count = sum(value.numel() for value in of_norms.values())
        parts = _choose_parts(model, count, config.seed)
    for name, value in named.items():
        value.requires_grad_(name in whole or name in parts)
    return Trained(whole, parts)


def _choose_parts(model: nn.Module, count: int, seed: int) -> dict[str, WeightPart]:
    """Returns `count` random values of the filters, equally many of each if that divides.

    A filter is what makes one output channel of a convolution, or one unit of a linear layer;
    the last linear layer has none.
    """
    output, named = find_output_layer(model), dict(model.named_parameters())
    weights = {
        f"{name}.weight": named[f"{name}.weight"]
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and name != output
    }
    available = sum(weight.numel() for weight in weights.values())
    if available < count:
        raise UsageError(
            f"train.trainable: as_many_as_norms asks for {count:,} weights, but the layers before "
            f"the last have only {available:,}"
        )
    orders = torch.cat([_draw_order(name, weight, seed) for name, weight in weights.items()])
    is_chosen = torch.zeros(available, dtype=torch.bool)
    is_chosen[torch.sort(orders, stable=True).indices[:count]] = True
    chosen = torch.split(is_chosen, [weight.numel() for weight in weights.values()])
    return {
        name: WeightPart(weight, flags)
        for (name, weight), flags in zip(weights.items(), chosen, strict=True)
        if flags.any()
    }


def _draw_order(name: str, weight: Tensor, seed: int) -> Tensor:
    """Returns a number per value, by which it is chosen: the n-th of its filter is in [n, n + 1).

    So every filter gives its first value before any gives its second, in a random order.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "trainable", name))
    drawn = torch.rand(len(weight), weight[0].numel(), generator=generator, dtype=torch.float64)
    return (drawn.argsort(1).argsort(1) + drawn).flatten()


def _is_of(layer: str, name: str) -> bool:
    return name.rpartition(".")[0] == layer
