"""Small layers that several networks use."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import _has_any_global_hook as has_any_global_hook

WEIGHT_EPS = 1e-5
SCALED_VARIANCE_FLOOR = 1e-4


class PooledLayers(nn.Sequential):
    """Layers in a row; a ReLU at the end of a block before a max pooling is computed after it.

    That changes no output and no gradient: the largest value of each window is at the same place
    before and after ReLU, and if it is negative, neither it nor its gradient passes. But after the
    pooling there are fewer values, and on a CPU, where a small network's step waits for the memory,
    a seventh of it is saved. A layer that a hook observes is called where it stands, and so are all
    if the network is compiled, exported or traced.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the outputs of the last layer."""
        if torch.compiler.is_compiling() or type(inputs) is not Tensor:
            outputs: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
            return outputs
        outputs = inputs
        layers = [*self]
        pairs = iter(zip(layers, [*layers[1:], None], strict=True))
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
            else:
                outputs = layer(outputs)
        return outputs


def _can_wait(block: nn.Module, pool: nn.Module) -> bool:
    """Returns whether a block ends with a ReLU that can be computed after the pooling."""
    if type(pool) is not nn.MaxPool2d or pool.return_indices:
        return False
    if type(block) is not nn.Sequential or not len(block):
        return False
    relu = block[-1]
    is_observed = has_any_global_hook() or any(  # type: ignore[no-untyped-call]
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or module._compiled_call_impl
        for module in (block, relu, pool)
    )
    return type(relu) is nn.ReLU and not is_observed


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
    """y = after(shortcut(x) + branch(before(x))); the order of a network says which layers."""

    def __init__(
        self,
        *,
        before: nn.Sequential,
        branch: nn.Sequential,
        shortcut: nn.Module,
        after: nn.Sequential,
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
        branch_inputs = self.before(inputs)
        shortcut = self.shortcut(branch_inputs if self.splits_late else inputs)
        outputs: Tensor = self.after(self.add(shortcut, self.branch(branch_inputs)))
        return outputs

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

    def __init__(self, *, branch: nn.Sequential) -> None:
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
