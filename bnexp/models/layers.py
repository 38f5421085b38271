"""Small layers that several networks use."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import _has_any_global_hook as has_any_global_hook

from bnexp.norms.group.layer import GroupNorm

WEIGHT_EPS = 1e-5
SCALED_VARIANCE_FLOOR = 1e-4


class Sequential(nn.Sequential):
    """Layers in a row, computed so that on a CPU a small network waits less for the memory.

    - A ReLU at the end of a block before a max pooling is computed after it: the largest value of
      each window is at the same place before and after ReLU, and if it is negative, neither it nor
      its gradient passes. But after the pooling there are fewer values.
    - A ReLU overwrites what it gets if nothing else needs that.

    Neither changes a bit of any output or gradient. A layer that a hook observes is called where it
    stands and leaves its input alone, and so do all if the network is compiled, exported or traced.
    """

    def forward(self, inputs: Tensor, *, may_overwrite: bool = False) -> Tensor:
        """Returns the outputs of the last layer.

        `may_overwrite` says that nothing else needs the inputs, not even a backward pass.
        """
        outputs = inputs
        if not _is_plain(inputs):
            for layer in self:
                outputs = layer(outputs)
            return outputs
        layers = [*self]
        pairs = itertools.zip_longest(layers, layers[1:])
        for layer, follower in pairs:
            if follower is not None and _can_wait(layer, follower):
                *before, relu = layer
                for one in before:
                    outputs = one(outputs)
                # Strides stay the same, too, since the order of sums depends on them: in place
                # even those of single pixels. Those of a single channel would not.
                if outputs.shape[1] > 1:
                    outputs = functional.relu(follower(outputs), inplace=True)
                else:
                    outputs = follower(relu(outputs))
                next(pairs)
                may_overwrite = False
            elif may_overwrite and type(layer) is nn.ReLU and not _is_observed(layer):
                outputs = functional.relu(outputs, inplace=_can_take_result(outputs))
                may_overwrite = False
            else:
                may_overwrite = _gives_away(layer)  # asked before, as a hook may remove itself
                outputs = layer(outputs)
        return outputs


def _is_plain(inputs: Tensor) -> bool:
    """Returns whether layers are computed here and now, and no hook observes them all."""
    if torch.compiler.is_compiling() or type(inputs) is not Tensor:
        return False
    is_transformed = torch._C._functorch.maybe_current_level() is not None
    is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return not (is_transformed or is_traced or has_any_global_hook())  # type: ignore[no-untyped-call]


def _is_observed(*modules: nn.Module) -> bool:
    """Returns whether a hook sees what one of the modules gets or gives, or it is compiled.

    So may another `forward` that was put on one of them.
    """
    return any(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or module._compiled_call_impl
        or "forward" in vars(module)
        for module in modules
    )


def _gives_away(layer: nn.Module) -> bool:
    """Returns whether only what follows a layer needs its outputs, not its own backward pass."""
    return type(layer) in _GIVE_AWAY and not _is_observed(layer)


def _can_take_result(values: Tensor) -> bool:
    """Returns whether a result of the same shape would lie in memory as these values do.

    The strides of a dimension of size 1 may be any, and a result's are not always the same ones;
    the order of sums that follow depends on them.
    """
    return min(values.shape) > 1 and not values._is_view()


def _are_alike(one: Tensor, other: Tensor) -> bool:
    """Returns whether the sum of the two would lie in memory as both do."""
    return one.dtype == other.dtype and one.stride() == other.stride()


def _can_wait(block: nn.Module, pool: nn.Module) -> bool:
    """Returns whether a block ends with a ReLU that can be computed after the pooling."""
    if type(pool) is not nn.MaxPool2d or pool.return_indices:
        return False
    if type(block) is not Sequential or not len(block) or type(block[-1]) is not nn.ReLU:
        return False
    return not _is_observed(block, block[-1], pool)


class GlobalAveragePool(nn.Module):
    """Maps `(N, C, H, W)` to the mean over space, `(N, C)`.

    A plain mean: the backward pass of PyTorch's adaptive pooling is not deterministic on CUDA.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the mean over height and width."""
        return inputs.mean((2, 3))


class ZeroPaddedShortcut(nn.Module):
    """Takes every `stride`-th pixel and appends channels of zeros: a shortcut that learns nothing.

    Maps `(N, in_channels, H, W)` to `(N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)`.

    Source: He et al. 2016, "Deep Residual Learning", section 3.3, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.extra_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the subsampled and widened input."""
        sampled = inputs[:, :, :: self.stride, :: self.stride]
        return functional.pad(sampled, (0, 0, 0, 0, 0, self.extra_channels))


class Add(nn.Module):
    """Adds shortcut and branch; a layer of its own so that tables of the network show it."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Returns the sum."""
        return shortcut + branch


class ResidualBlock(nn.Module):
    """y = after(shortcut(x) + branch(before(x))); the order of a network says which layers.

    The sum overwrites what the branch gives if nothing else needs that.
    """

    def __init__(
        self,
        *,
        before: Sequential,
        branch: Sequential,
        shortcut: nn.Module,
        after: Sequential,
        splits_late: bool,
    ) -> None:
        super().__init__()
        self.before = before
        self.branch = branch
        self.shortcut = shortcut
        self.add = Add()
        self.after = after
        self.splits_late = splits_late
        """Whether the shortcut too starts after the layers `before` the branch."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps `(N, in_channels, H, W)` to `(N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)`."""
        # Asked now, as a hook may remove itself: whether nothing else sees what the branch gives.
        is_own = self._owns_sum(inputs)
        is_free = is_own and _gives_away(self.branch[-1])
        branch_inputs = self.before(inputs)
        shortcut = self.shortcut(branch_inputs if self.splits_late else inputs)
        branch = self.branch(branch_inputs)
        if is_free and _can_take_result(branch) and _are_alike(branch, shortcut):
            total = branch.add_(shortcut)
        else:
            total = self.add(shortcut, branch)
        outputs: Tensor = self.after(total, may_overwrite=True) if is_own else self.after(total)
        return outputs

    def _owns_sum(self, inputs: Tensor) -> bool:
        """Returns whether nothing but the layers after the addition sees it, or what it adds."""
        kinds = (type(self.branch), type(self.add), type(self.after))
        is_own = kinds == (Sequential, Add, Sequential) and _is_plain(inputs)
        return is_own and not _is_observed(self.branch, self.add, self.after)

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The branch's convolutions in order."""
        return [layer for layer in self.branch if isinstance(layer, nn.Conv2d)]


class Concatenate(nn.Module):
    """Appends channels; a layer of its own so that tables of the network show it."""

    def forward(self, inputs: Tensor, new: Tensor) -> Tensor:
        """Returns the channels of both."""
        return torch.cat((inputs, new), 1)


class DenseLayer(nn.Module):
    """y = (x, branch(x)): keeps its input's channels and appends those that the branch gives."""

    def __init__(self, *, branch: Sequential) -> None:
        super().__init__()
        self.branch = branch
        self.concatenate = Concatenate()

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps `(N, C, H, W)` to `(N, C + growth, H, W)`."""
        outputs: Tensor = self.concatenate(inputs, self.branch(inputs))
        return outputs


class Scale(nn.Module):
    """Multiplies by one learned number: y = weight · x."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(initial))

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the input times the number."""
        return self.weight * inputs


class Shift(nn.Module):
    """Adds one learned number, initially 0: y = x + bias."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the input plus the number."""
        return inputs + self.bias


class WSConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` that standardizes the filter of each output channel at every step.

    Formula: ŵ = (w − mean) / √(variance + 1e-5), over a filter's (C_in / groups, kH, kW).

    Training: computed again at every step; gradients flow through it.

    Evaluation: as in training.

    Shapes: as in `torch.nn.Conv2d`.

    Parameters: as in `torch.nn.Conv2d`; w is what is learned.

    Variance: biased.

    Source: Qiao et al. 2019, "Micro-Batch Training with Batch-Channel Normalization and
    Weight Standardization", section 3.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the convolution with the standardized filters."""
        weight = standardize_weight(self.weight)
        outputs: Tensor = self._conv_forward(input, weight, self.bias)
        return outputs


class ScaledWSConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` whose standardized filters keep the variance of their inputs, with a gain.

    Formula: ŵ = γ · g · (w − mean) / √max(fan_in · variance, 1e-4), over the fan_in values of a
    filter's (C_in / groups, kH, kW). γ is 1 / std(f(z)) for z from N(0, 1), where f is the
    activation of the model: 1.71 for relu. g is learned, one per output channel, from 1. A filter
    of equal values becomes 0.

    Training: computed again at every step; gradients flow through it.

    Evaluation: as in training.

    Shapes: as in `torch.nn.Conv2d`.

    Parameters: as in `torch.nn.Conv2d`, and g (`gain`), which has no weight decay, like γ and β of
    norms.

    Variance: biased.

    Source: Brock, De & Smith 2021, "Characterizing signal propagation to close the performance gap
    in unnormalized ResNets", section 4.1, equation 6; the gain: Brock et al. 2021,
    "High-Performance Large-Scale Image Recognition Without Normalization", section 2.
    """

    def __init__(self, *sizes: Any, activation: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*sizes, **options)
        self.variance_gain = compute_variance_gain(activation)
        self.gain = nn.Parameter(torch.ones(self.out_channels))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the convolution with the scaled filters."""
        fan_in = self.weight[0].numel()
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        # A floor, not a summand: filters that weight decay has shrunken keep the variance too.
        scale = torch.rsqrt((variance * fan_in).clamp(min=SCALED_VARIANCE_FLOOR))
        gain = (self.gain * self.variance_gain).view(-1, 1, 1, 1)
        outputs: Tensor = self._conv_forward(input, (self.weight - mean) * scale * gain, self.bias)
        return outputs


@functools.cache
@torch.no_grad()
def compute_variance_gain(activation: str) -> float:
    """Returns 1 over the standard deviation of what an activation makes of N(0, 1).

    `activation` is the name of its class in `torch.nn`, which is built with its defaults.
    """
    values = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    weights = torch.exp(-values.square() / 2)
    outputs = getattr(nn, activation)().double()(values)
    mean = (weights * outputs).sum() / weights.sum()
    variance = (weights * (outputs - mean).square()).sum() / weights.sum()
    return float(variance.rsqrt())


def standardize_weight(weight: Tensor) -> Tensor:
    """Returns filters `(C_out, C_in, kH, kW)` with mean 0 and variance 1 each.

    A filter of equal values becomes 0.
    """
    variance, mean = torch.var_mean(weight, (1, 2, 3), correction=0, keepdim=True)
    return (weight - mean) * torch.rsqrt(variance + WEIGHT_EPS)


_GIVE_AWAY = (nn.Conv2d, WSConv2d, ScaledWSConv2d, nn.BatchNorm2d, GroupNorm)
"""Layers whose outputs are new, and whose backward pass does without them."""
