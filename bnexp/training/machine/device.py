"""The device to train on, and what it must be set to for a run to repeat bit by bit."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from bnexp import system
from bnexp.errors import UsageError

DEFAULT_THREADS = torch.get_num_threads()
"""PyTorch's own choice, which a run that names no count gets back after one that did."""


def resolve_device(name: str) -> torch.device:
    """Returns the device of that name; `auto` takes CUDA, else MPS, else the CPU.

    Raises:
        UsageError: This machine, or this build of PyTorch, has no such device.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    device = torch.device(name)
    found = ["cpu"] + [f"cuda:{index}" for index in range(torch.cuda.device_count() * has_cuda)]
    found += ["mps"] * has_mps
    if (f"cuda:{device.index or 0}" if device.type == "cuda" else device.type) not in found:
        raise UsageError(
            f"there is no device '{name}': PyTorch {torch.__version__} finds {', '.join(found)}; "
            "use --device auto or one of them"
        )
    return device


def make_deterministic(device: torch.device, threads: int | None, is_compiled: bool) -> None:
    """Sets PyTorch so that the same work on the same machine gives the same bits.

    Not on MPS: there the backward pass of max-pooling has no deterministic form, and asking
    for one is an error.
    """
    # cuBLAS reads this once, when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if is_compiled:
        torch.use_deterministic_algorithms(device.type != "mps")
    else:
        # The same switch without the compiler's, whose import takes two seconds.
        torch.set_deterministic_debug_mode("default" if device.type == "mps" else "error")
    # Filling fresh memory serves debugging only and costs time at every step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if device.type == "cuda":
        # fp32 means fp32: by default cuDNN's convolutions round their inputs to 10 bits.
        torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(threads or DEFAULT_THREADS)


def describe_device(device: torch.device) -> dict[str, Any]:
    """Returns type, name, number and thread count for `environment.json`."""
    is_cuda = device.type == "cuda"
    processor = platform.processor() or platform.machine()
    name = torch.cuda.get_device_name(device) if is_cuda else processor
    # Apart from the device: which one of several equal ones it was makes no difference.
    index = {"device_index": device.index or 0} if is_cuda else {}
    threads = torch.get_num_threads()
    return {"device": {"type": device.type, "name": name}, **index, "threads": threads}


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new count of the peak memory, if the system can."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats(device)
    else:
        system.reset_peak_memory()


def read_peak_memory(device: torch.device) -> int:
    """Returns the peak since the reset in bytes: the device's on CUDA, else the process's.

    0 if the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return system.read_peak_memory()


def free_memory() -> None:
    """Gives the memory that is not in use back, the GPU's too, for other processes."""
    system.give_freed_memory_back()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
