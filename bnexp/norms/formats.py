"""Memory formats and precisions that layers keep."""

from __future__ import annotations

import torch
from torch import Tensor


def is_channels_last(tensor: Tensor) -> bool:
    """Returns whether a tensor is a feature map `(N, C, H, W)` with its channels innermost."""
    # `is_contiguous(memory_format=...)` would say so too, but not under torch.func.vmap.
    if tensor.dim() != 4:
        return False
    _, channels, height, width = tensor.shape
    return tensor.stride() == (height * width * channels, 1, width * channels, channels)


def keep_memory_format(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Returns the outputs in channels-last memory if the inputs are."""
    if is_channels_last(inputs) and not is_channels_last(outputs):
        return outputs.contiguous(memory_format=torch.channels_last)
    return outputs


def statistics_dtype(dtype: torch.dtype) -> torch.dtype:
    """Returns the type that statistics of such values are kept in: float32 or wider."""
    return torch.promote_types(dtype, torch.float32)


def per_pixel(inputs: Tensor) -> Tensor:
    """Returns `(N, C, …)` as `(N, …, C)`, in a type that statistics over the channels keep."""
    return inputs.movedim(1, -1).to(statistics_dtype(inputs.dtype))


def undo_per_pixel(pixels: Tensor, like: Tensor) -> Tensor:
    """Returns `(N, …, C)` as `(N, C, …)` in the type and memory format of the inputs `like`."""
    outputs = pixels.movedim(-1, 1).to(like.dtype)
    return outputs if is_channels_last(like) else outputs.contiguous()
