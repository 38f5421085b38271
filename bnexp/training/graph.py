"""A step as a CUDA graph: its kernels are recorded once and then started all together.

A small network's step is hundreds of kernels, each of which takes the CPU longer to start than the
GPU to run.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from bnexp.training.step import Batch, StepResult


class StepGraph:
    """A recorded step, which ends with the bits of the step that was recorded.

    Recording executes nothing. What the step reads and writes must stay where it is in memory.
    It is recorded and repeated on the current stream. cuBLAS has memory to work in for each stream,
    so that graphs recorded on the same one must not run at the same time.
    """

    def __init__(self, step: Callable[[Batch], StepResult], batch: Batch) -> None:
        """Records a step on a batch like this one.

        Raises:
            RuntimeError: The step cannot be recorded, e.g. since it waits for the device.
        """
        inputs, targets = batch
        self._batch = torch.empty_like(inputs), torch.empty_like(targets)
        self._graph = torch.cuda.CUDAGraph()
        with _on_own_stream(inputs.device), _recording(self._graph):
            self._result = step(self._batch)

    def repeat(self, batch: Batch) -> StepResult:
        """Does the step on a batch of the same size; the logits hold until the next call."""
        for own, given in zip(self._batch, batch, strict=True):
            own.copy_(given)
        self._graph.replay()
        return replace(self._result, loss=self._result.loss.clone())


@contextlib.contextmanager
def _on_own_stream(device: torch.device) -> Iterator[None]:
    """Leaves the default stream, on which nothing can be recorded, for another."""
    current = torch.cuda.current_stream(device)
    if current != torch.cuda.default_stream(device):
        yield
        return
    own = _make_stream(device)
    own.wait_stream(current)
    with torch.cuda.stream(own):
        yield
    current.wait_stream(own)


@functools.cache
def _make_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _recording(graph: torch.cuda.CUDAGraph) -> Iterator[None]:
    """Records what is computed inside; what would wait for the device raises an error instead.

    Unlike `torch.cuda.graph`, it neither collects garbage nor gives memory back: with many runs at
    once that takes longer than recording.
    """
    was_allowed = torch.cuda.get_sync_debug_mode()
    graph.capture_begin(capture_error_mode="thread_local")
    try:
        # A wait would make the recording invalid, and PyTorch does not recover from that.
        _allow_waits("error")
        yield
    finally:
        _allow_waits(was_allowed)
        graph.capture_end()


def _allow_waits(mode: int | str) -> None:
    with warnings.catch_warnings():  # that not every wait is found
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode(mode)
