"""Trains runs at once in this process: a step of each in turn, on a GPU each on its own stream.

Each ends with the bits that it would end with alone: they share nothing that is written.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence

import torch

from bnexp.errors import UsageError
from bnexp.launch.plan import Order, PlannedRun
from bnexp.launch.run.one_run import train_in_steps
from bnexp.launch.screen.events import Event
from bnexp.models.file.trust import trusting_files
from bnexp.runs import State
from bnexp.training.loop import Steps
from bnexp.training.machine.device import resolve_device


def train_one(
    run: PlannedRun, index: int, should_stop: Callable[[], bool], send: Callable[[Event], None]
) -> State:
    """Trains a run, as `train_in_steps` does, and returns how it ended."""
    return train_pack([Order(index, run)], should_stop, send)[0]


@trusting_files()
def train_pack(
    orders: Sequence[Order], should_stop: Callable[[], bool], send: Callable[[Event], None]
) -> list[State]:
    """Trains runs of one cell at once, and returns how each ended.

    A run that diverges, fails or is stopped leaves the others alone.
    """
    ends: dict[int, State] = {}
    lanes = {
        one.index: _on_stream(
            _choose_stream(one.run, lane), train_in_steps(one.run, one.index, should_stop, send)
        )
        for lane, one in enumerate(orders)
    }
    while lanes:
        for index in list(lanes):
            try:
                next(lanes[index])
            except StopIteration as end:
                ends[index] = end.value
                del lanes[index]
    return [ends[one.index] for one in orders]


def _on_stream(stream: torch.cuda.Stream | None, steps: Steps[State]) -> Steps[State]:
    while True:
        with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
            try:
                next(steps)
            except StopIteration as end:
                state: State = end.value
                if stream:  # what the last of them frees, e.g. the images, may still be read
                    stream.synchronize()
                return state
        yield


def _choose_stream(run: PlannedRun, lane: int) -> torch.cuda.Stream | None:
    try:
        device = resolve_device(run.device or run.spec.config.train.device)
    except UsageError:  # there is no such device, as the run itself will say
        return None
    return _make_stream(device, lane) if device.type == "cuda" else None


@functools.cache
def _make_stream(device: torch.device, _: int) -> torch.cuda.Stream:
    """Returns the stream of a lane, the same for one pack after the other.

    cuBLAS keeps memory for each stream that it has worked on.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
