"""The residual network for CIFAR as a module; parameter names do not depend on the norm."""

from __future__ import annotations

from collections import Counter, OrderedDict

import torch
from torch import nn

from bnexp.models.activations import build_activation
from bnexp.models.layers import (
    Add,
    GlobalAveragePool,
    Scale,
    Shift,
    ZeroPaddedShortcut,
    build_conv,
    build_dropout,
)
from bnexp.models.model import ImpossibleModelError
from bnexp.models.plans import CONVOLUTIONS_IN_BRANCH, Layers, ResidualPlan, ResNetPlan


class ResidualBlock(nn.Module):
    """y = after(shortcut(x) + branch(before(x))), the layers of each as the order says."""

    def __init__(self, network: ResNetPlan, plan: ResidualPlan) -> None:
        super().__init__()
        order = network.order
        make = _LayerMaker(network, plan.in_channels, plan.out_channels, plan.stride)
        self.splits_late = plan.splits_late
        self.before = make.sequence(order.before)
        self.branch = make.sequence(order.branch)
        self.shortcut = _build_shortcut(network, plan)
        self.add = Add()
        self.after = make.sequence(order.after)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Maps `(N, in_channels, H, W)` to `(N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)`."""
        branch_inputs = self.before(inputs)
        shortcut = self.shortcut(branch_inputs if self.splits_late else inputs)
        outputs: torch.Tensor = self.after(self.add(shortcut, self.branch(branch_inputs)))
        return outputs

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The branch's convolutions in order."""
        return [layer for layer in self.branch if isinstance(layer, nn.Conv2d)]


class ResNet(nn.Sequential):
    """Stem, stages of residual blocks, tail, mean over space, linear layer."""

    def __init__(self, plan: ResNetPlan, num_classes: int) -> None:
        channels = plan.blocks[-1][-1].out_channels
        stages = [
            nn.Sequential(*(ResidualBlock(plan, block) for block in stage)) for stage in plan.blocks
        ]
        super().__init__(
            OrderedDict(
                stem=_LayerMaker(plan, plan.in_channels, plan.width).sequence(plan.order.stem),
                stages=nn.Sequential(*stages),
                tail=_LayerMaker(plan, channels, channels).sequence(plan.order.tail),
                pool=GlobalAveragePool(),
                dropout=build_dropout(plan.dropout),
                linear=nn.Linear(channels, num_classes),
            )
        )
        self.residual = plan.residual

    @property
    def blocks(self) -> list[ResidualBlock]:
        """All residual blocks, from the image to the logits."""
        return [module for module in self.modules() if isinstance(module, ResidualBlock)]

    @torch.no_grad()
    def finish_initialization(self) -> None:
        """Starts the blocks as `residual` says; SkipInit's factors are 0 from the beginning."""
        if self.residual == "zero_gamma":
            for block in self.blocks:
                _find_last_gamma(block).zero_()
        elif self.residual == "fixup":
            self._apply_fixup()

    def _apply_fixup(self) -> None:
        """Scales the branches' first convolutions, and zeroes the last ones and the linear layer.

        With m convolutions in each of L branches, the factor is L^(-1 / (2m - 2)).

        Source: Zhang et al. 2019, "Fixup Initialization", section 3.
        """
        blocks = self.blocks
        factor = len(blocks) ** (-1 / (2 * CONVOLUTIONS_IN_BRANCH - 2))
        for block in blocks:
            *first, last = block.convolutions
            for conv in first:
                conv.weight.mul_(factor)
            last.weight.zero_()
        assert isinstance(self.linear, nn.Linear)
        self.linear.weight.zero_()


class _LayerMaker:
    """Makes a block's layers in order, numbering each kind; the first conv changes the channels."""

    def __init__(
        self, network: ResNetPlan, in_channels: int, out_channels: int, stride: int = 1
    ) -> None:
        self._network = network
        self._channels = in_channels
        self._out_channels = out_channels
        self._stride = stride
        self._counts: Counter[str] = Counter()

    def sequence(self, layers: Layers) -> nn.Sequential:
        named = OrderedDict()
        for layer in layers:
            self._counts[layer] += 1
            named[f"{layer}{self._counts[layer]}"] = self._make(layer)
        return nn.Sequential(named)

    def _make(self, layer: str) -> nn.Module:
        if layer == "conv":
            options = self._network.convolution_options
            conv = build_conv(self._channels, self._out_channels, 3, stride=self._stride, **options)
            self._channels, self._stride = self._out_channels, 1
            return conv
        if layer == "norm":
            return self._network.norm.build(self._channels)
        if layer == "activation":
            return build_activation(self._network.activation)
        if layer == "shift":
            return Shift()
        assert layer == "scale", layer
        return Scale(0.0 if self._network.residual == "skipinit" else 1.0)


def _build_shortcut(network: ResNetPlan, plan: ResidualPlan) -> nn.Module:
    if plan.stride == 1 and plan.in_channels == plan.out_channels:
        return nn.Identity()
    if not plan.has_projection:
        return ZeroPaddedShortcut(plan.in_channels, plan.out_channels, plan.stride)
    layers = OrderedDict[str, nn.Module]()
    options = network.convolution_options
    layers["conv"] = build_conv(
        plan.in_channels, plan.out_channels, 1, stride=plan.stride, **options
    )
    if network.order.normalizes_shortcut:
        layers["norm"] = network.norm.build(plan.out_channels)
    return nn.Sequential(layers)


def _find_last_gamma(block: ResidualBlock) -> nn.Parameter:
    """Returns γ of the norm that ends the branch: its parameter `weight`, however deep inside."""
    *_, norm = block.branch
    for name, parameter in norm.named_parameters():
        if name.rpartition(".")[2] == "weight":
            return parameter
    reason = f"{type(norm).__name__} has no γ that could start at 0; use skipinit"
    raise ImpossibleModelError(("residual",), reason)
