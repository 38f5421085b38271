"""The residual network for CIFAR as a module, and the values that it starts from."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import nn

from bnexp.models.layers import ResidualBlock
from bnexp.models.model import ImpossibleModelError


class ResNet(nn.Sequential):
    """Stem, stages of residual blocks, tail, mean over space, linear layer."""

    def __init__(
        self, network: nn.Module, residual: Literal["plain", "zero_gamma", "skipinit", "fixup"]
    ) -> None:
        super().__init__(OrderedDict(network.named_children()))
        self.residual = residual

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
        for block in self.blocks:
            *first, last = block.convolutions
            factor = len(self.blocks) ** (-1 / (2 * len(block.convolutions) - 2))
            for conv in first:
                conv.weight.mul_(factor)
            last.weight.zero_()
        assert isinstance(self.linear, nn.Linear)
        self.linear.weight.zero_()


def _find_last_gamma(block: ResidualBlock) -> nn.Parameter:
    """Returns γ of the norm that ends the branch: its parameter `weight`, however deep inside."""
    *_, norm = block.branch
    for name, parameter in norm.named_parameters():
        if name.rpartition(".")[2] == "weight":
            return parameter
    reason = f"{type(norm).__name__} has no γ that could start at 0; use skipinit"
    raise ImpossibleModelError(("residual",), reason)
