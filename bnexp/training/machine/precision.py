"""The precision in which a network computes, and what bf16 costs on this processor."""

from __future__ import annotations

import functools
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn import functional

_SHAPE = (64, 16, 16, 16)
"""Of the probe's images `(N, C, H, W)`: a layer as small networks have it."""
_TRIALS = 7
"""Of each precision, in turns: other programs slow some of them down, of one as of the other."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass computes at that precision."""
    if precision == "fp32":  # even one that is switched off takes longer than a small layer
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@functools.cache
def measure_bf16_slowdown() -> float:
    """Returns how many times as long a convolution's step takes in bf16 as in fp32 on the CPU.

    Above 1 on a processor without instructions for bf16, and if PyTorch's kernels don't use them:
    on an AMD EPYC without AVX-512, PyTorch 2.14 took 10 times as long.
    """
    trials = [(_time_convolution("bf16"), _time_convolution("fp32")) for _ in range(_TRIALS)]
    return min(bf16 for bf16, _ in trials) / min(fp32 for _, fp32 in trials)


def _time_convolution(precision: str) -> float:
    """Returns the seconds that a forward and a backward pass take."""
    images = torch.ones(_SHAPE, requires_grad=True)
    weight = torch.ones(_SHAPE[1], _SHAPE[1], 3, 3, requires_grad=True)
    started = time.perf_counter()
    with autocast(images.device, precision):
        outputs = functional.conv2d(images, weight, padding=1)
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started
