"""The memory format of a network: how its weights and feature maps lie in memory."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn


def set_memory_format(network: nn.Module, name: Literal["channels_last", "contiguous"]) -> None:
    """Puts a network's weights into this format, and from now on whatever it gets as input.

    Layers keep the format of their input. Batches are channels-last as they come.
    """
    if name == "channels_last":
        network.to(memory_format=torch.channels_last)
    else:
        network.to(memory_format=torch.contiguous_format)
        network.register_forward_pre_hook(_make_contiguous)


def _make_contiguous(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one.contiguous() for one in inputs)
