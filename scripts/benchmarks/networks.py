"""The networks of the benchmark, in bnexp's YAML and written out in plain PyTorch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_SIZE = 128
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4


@dataclass(frozen=True, eq=False)
class Network:
    """A network, and how much of it is trained: enough to time, little enough to wait for."""

    name: str
    config: dict[str, Any]
    """bnexp's section `model`."""
    build: Callable[[], nn.Module]
    """The same by hand, before `initialize`."""
    learning_rate: float
    images: int
    test_images: int
    epochs: int
    rounds: int
    """In which its sides take turns, if no number is asked for: the short ones vary more."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch, the last of which may be smaller."""
        return -(-self.images // BATCH_SIZE)

    @property
    def steps(self) -> int:
        """Optimiser steps of a run."""
        return self.epochs * self.steps_per_epoch

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0: half a cosine down to 0."""
        return self.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2


def initialize(model: nn.Module) -> nn.Module:
    """Draws weights as bnexp does: He's normal ones, smaller before the logits; biases are 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            nn.init.zeros_(module.bias)
    return model


def build_optimizer(model: nn.Module, rate: float, *, is_tuned: bool = False) -> torch.optim.SGD:
    """Returns what all sides train with; `is_tuned` takes the fused kernel, and spares γ and β."""
    if not is_tuned:
        groups = [{"params": [*model.parameters()], "weight_decay": WEIGHT_DECAY}]
    else:
        weights = [value for value in model.parameters() if value.dim() > 1]
        rest = [value for value in model.parameters() if value.dim() <= 1]
        groups = [
            {"params": weights, "weight_decay": WEIGHT_DECAY},
            {"params": rest, "weight_decay": 0.0},
        ]
    fused = True if is_tuned else None
    return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True, fused=fused)


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels)]


def build_tutorial() -> nn.Module:
    """Returns the CNN of many tutorials."""
    return nn.Sequential(
        *_conv(3, 16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *_conv(16, 32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )


def spare_memory(model: nn.Module) -> nn.Module:
    """Has ReLUs and sums overwrite what they get, and puts each max pooling before its ReLU.

    That changes no value.
    """
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
        elif isinstance(module, Block):
            module.is_in_place = True
    if not isinstance(model, nn.Sequential):
        return model
    layers = [*model]
    for place, (one, other) in enumerate(itertools.pairwise(layers)):
        if isinstance(one, nn.ReLU) and isinstance(other, nn.MaxPool2d):
            layers[place : place + 2] = other, one
    return nn.Sequential(*layers)


def build_vgg() -> nn.Module:
    """Returns VGG-11 for 32×32 pictures."""
    layers, channels = [], 3
    for convolutions, width in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)):
        for _ in range(convolutions):
            layers += [*_conv(channels, width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


class Block(nn.Module):
    """Two convolutions and the addition of He et al. 2016, with shortcuts of zeros (option A)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_conv(in_channels, out_channels, stride), nn.ReLU(), *_conv(out_channels, out_channels)
        )
        self.stride, self.extra = stride, out_channels - in_channels
        self.is_in_place = False

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the block's output."""
        shortcut = inputs
        if self.extra:
            sampled = inputs[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(sampled, (0, 0, 0, 0, 0, self.extra))
        if self.is_in_place:
            return functional.relu(self.branch(inputs).add_(shortcut), inplace=True)
        return functional.relu(shortcut + self.branch(inputs))


class MeanOverSpace(nn.Module):
    """Maps `(N, C, H, W)` to `(N, C)`."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the means."""
        return inputs.mean((2, 3))


def build_resnet20() -> nn.Module:
    """Returns the ResNet-20 of He et al. 2016 for CIFAR-10."""
    layers: list[nn.Module] = [*_conv(3, 16), nn.ReLU()]
    channels = 16
    for width in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(channels, width, 1 if channels == width else 2))
            channels = width
    return nn.Sequential(*layers, MeanOverSpace(), nn.Linear(64, 10))


TUTORIAL_CONFIG = {
    "name": "cnn",
    "layers": ({"conv": 16}, {"pool": "max"}, {"conv": 32}, {"pool": "max"}),
    "head": "flatten",
    "norm": "batch",
}
VGG_CONFIG = {"name": "vgg", "depth": 11, "norm": "batch"}
RESNET_CONFIG = {"name": "resnet", "depth": 20, "norm": "batch"}
NETWORKS = {
    network.name: network
    for network in (
        Network("tutorial", TUTORIAL_CONFIG, build_tutorial, 0.005, 6000, 2000, 3, 15),
        Network("vgg", VGG_CONFIG, build_vgg, 0.01, 2000, 500, 1, 5),
        Network("resnet20", RESNET_CONFIG, build_resnet20, 0.05, 6000, 2000, 1, 7),
    )
}
