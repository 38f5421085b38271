"""What the time of a run goes to: its parts by the clock, and a few steps operator by operator."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bnexp.files import read_foreign

REST = "rest"
"""What belongs to no part: the loop itself."""
PREFIX = "bnexp: "
"""Of the parts' names in a trace."""
STEPS_BEFORE = 5
"""Steps before the recorded ones, in which memory and kernels are set up."""
RECORDED_STEPS = 10
MOST_BYTES_OF_TRACE = 2**30

_NOTHING: AbstractContextManager[None] = nullcontext()


class Unprofiled:
    """What the loop says its parts to; this one does not listen, so that a run pays nothing."""

    def part(self, name: str) -> AbstractContextManager[None]:
        """Returns a context for one part of the work, such as `forward` or `logging`."""
        return _NOTHING

    def input(self, batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Returns the batches, of which each begins a step."""
        return batches


UNPROFILED = Unprofiled()


@dataclass(frozen=True)
class OperatorTime:
    """An operator in the recorded steps."""

    name: str
    calls: int
    seconds: float
    """Its own, on the GPU if the run is on one, without the operators that it calls."""


def shorten_kernel(name: str) -> str:
    """Returns a GPU kernel's name without its result, template arguments and parameters.

    They fill lines, and differ between the kernels of one operation. Other names stay.
    """
    if not name.startswith("void "):
        return name
    plain = name.removeprefix("void ").replace("(anonymous namespace)::", "")
    return re.split(r"[<(]", plain, maxsplit=1)[0]


class Profile(Unprofiled):
    """Measures one run while it trains, and records a few of its steps; no result changes.

    Each part waits for the GPU, if there is one, so that its time is that of its work.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """By part, without the recorded steps; parts within parts are counted by themselves."""
        self.recorded_seconds: defaultdict[str, float] = defaultdict(float)
        """The same of the recorded steps, which the recording makes slower."""
        self.steps = 0
        self.recorded_steps = 0
        self.images = 0
        """Images trained on, without the recorded steps."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else its library writes to stderr
        activity = torch.profiler.ProfilerActivity
        is_on_gpu = device.type == "cuda"
        self._activities = [activity.CPU, *([activity.CUDA] if is_on_gpu else [])]
        with self._build_profiler():
            pass  # the first one takes seconds, which the run's clock need not count
        self._open = [REST]
        self._profiler: torch.profiler.profile | None = None
        self._is_recording = False
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the time inside as that part's."""
        self._count()
        self._open.append(name)
        try:
            with torch.profiler.record_function(PREFIX + name):
                yield
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)
        finally:
            self._count()
            self._open.pop()

    def input(self, batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the batches, of which each begins a step; begins and ends the recording."""
        while True:
            if self.steps == STEPS_BEFORE and self._profiler is None:
                self._start_recording()
            elif self.recorded_steps == RECORDED_STEPS:
                self._stop_recording()
            with self.part("input"):
                batch = next(batches, None)
            if batch is None:
                return
            if self._is_recording:
                self.recorded_steps += 1
            else:
                self.steps += 1
                self.images += len(batch[1])
            yield batch

    def stop(self) -> None:
        """Ends the measurement; without it, nothing can be read or written."""
        self._stop_recording()
        self._count()

    def find_operators(self) -> list[OperatorTime]:
        """Returns the operators of the recorded steps, those that took longest first."""
        calls: Counter[str] = Counter()
        seconds: defaultdict[str, float] = defaultdict(float)
        for one in self._profiler.key_averages() if self._profiler else ():
            if not one.key.startswith((PREFIX, "ProfilerStep")):
                name = shorten_kernel(one.key)
                calls[name] += one.count
                seconds[name] += self._read_seconds(one)
        found = [
            OperatorTime(name, calls[name], took) for name, took in seconds.items() if took > 0
        ]
        return sorted(found, key=lambda one: -one.seconds)

    def read_trace(self) -> bytes | None:
        """Returns the recorded steps as a packed trace for Perfetto; None if there are none."""
        if self._profiler is None or not self.recorded_steps:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trace.json.gz")
            self._profiler.export_chrome_trace(str(path))
            return read_foreign(path, MOST_BYTES_OF_TRACE)

    def _read_seconds(self, event: torch.autograd.profiler_util.FunctionEventAvg) -> float:
        is_on_gpu = self.device.type == "cuda"
        microseconds = event.self_device_time_total if is_on_gpu else event.self_cpu_time_total
        return float(microseconds) / 1e6

    def _build_profiler(self) -> torch.profiler.profile:
        # Without acc_events, PyTorch 2.11 warns that it forgets cycles, of which there is one.
        return torch.profiler.profile(activities=self._activities, acc_events=True)

    def _start_recording(self) -> None:
        self._count()
        self._profiler = self._build_profiler()
        self._profiler.start()
        self._is_recording = True
        self._since = time.perf_counter()  # to start it is nobody's time

    def _stop_recording(self) -> None:
        if self._profiler and self._is_recording:
            self._count()
            self._is_recording = False
            self._profiler.stop()
            self._since = time.perf_counter()

    def _count(self) -> None:
        now = time.perf_counter()
        seconds = self.recorded_seconds if self._is_recording else self.seconds
        seconds[self._open[-1]] += now - self._since
        self._since = now
