"""Compile a network as a process would that trains nothing else."""

from __future__ import annotations

import torch
from torch import nn

from bnexp.config.experiment import ExperimentConfig

_compiled: list[ExperimentConfig] = []


def compile_network(model: nn.Module, config: ExperimentConfig) -> None:
    """Compiles a network in place at its first pass.

    PyTorch counts how often a piece of code was compiled, whichever network runs it, and from the
    ninth time on runs it uncompiled. A grid would reach that in its fourth cell, whose runs would
    then end with other bits than alone. So what was compiled for another cell is forgotten first;
    the seeds of one cell share it.
    """
    cell = config.model_copy(update={"train": config.train.model_copy(update={"seed": 0})})
    if _compiled != [cell]:
        torch.compiler.reset()
        _compiled[:] = [cell]
    model.compile()
