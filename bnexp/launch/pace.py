"""How long a run will take and how much memory, from a few steps that leave nothing behind."""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from dataclasses import dataclass

import torch

from bnexp import system
from bnexp.launch.plan import PlannedRun
from bnexp.launch.run.one_run import prepare_device
from bnexp.launch.screen.events import say_nothing
from bnexp.models.file.trust import trusting_files
from bnexp.runs.record import list_evaluated_steps
from bnexp.training.machine.device import (
    free_memory,
    read_peak_memory,
    reset_peak_memory,
    resolve_device,
)
from bnexp.training.setup import build_parts

TRIAL_SECONDS = 0.4
"""How long the steps of a run are timed at most."""
LEAST_STEPS = 2
FEW_STEPS = 5
MANY_STEPS = 200
EVALUATED_BATCHES = 4
CONTEXT_BYTES = 2**29
"""What a process takes of a GPU's memory before it holds anything there."""


@dataclass(frozen=True)
class Pace:
    """What a run takes if no other trains beside it."""

    step_seconds: float
    image_seconds: float
    """For the evaluation of one image."""
    steps_per_epoch: int
    evaluated_images: int
    """In each evaluation."""
    process_bytes: int
    """Memory of the process: PyTorch, the data, and what training holds; 0 if unknown."""
    device_bytes: int = 0
    """Memory of the GPU that a run holds, if it trains on one; not what its process takes there."""
    has_graph: bool = False
    """Whether the steps are repeated from a CUDA graph."""

    def estimate_seconds(self, run: PlannedRun) -> float:
        """Returns about how long the steps and evaluations of a run with this pace take."""
        steps, epochs = self.steps_per_epoch, run.epochs_left
        evaluate = run.spec.config.evaluate
        times = len(list_evaluated_steps(evaluate.every_steps, steps, epochs))
        images = (1 if evaluate.after == "last_epoch" else times) * self.evaluated_images
        return epochs * steps * self.step_seconds + images * self.image_seconds


class StepTimer:
    """A run's network, data and optimiser, with which steps are done and timed."""

    @trusting_files()
    def __init__(self, run: PlannedRun) -> None:
        config = run.spec.config
        device = prepare_device(run)
        self._bytes_before = 0
        if device.type == "cuda":  # what other runs have left there is not its own
            reset_peak_memory(device)
            self._bytes_before = read_peak_memory(device)
        self.parts = build_parts(config, config.data.load(say_nothing), device)

    @trusting_files()
    def time_step(
        self,
        threads: int | None = None,
        most_steps: int = MANY_STEPS,
        seconds: float = TRIAL_SECONDS,
    ) -> float:
        """Returns the median time of a step in seconds, with so many CPU threads.

        No further step is timed after `seconds`; the first, which warms up, does not count.
        """
        if threads:
            torch.set_num_threads(threads)
        batches = itertools.chain.from_iterable(map(self.parts.batches.epoch, itertools.count()))
        times: list[float] = []
        for batch in itertools.islice(batches, 1 + most_steps):
            started = time.perf_counter()
            float(self.parts.learner.step(1, batch).loss)
            times.append(time.perf_counter() - started)
            if len(times) > LEAST_STEPS and sum(times[1:]) > seconds:
                break
        return statistics.median(times[1:])

    @trusting_files()
    def time_evaluation(self) -> float:
        """Returns the time per image of an evaluation, from its first batches."""
        images = next(iter(self.parts.evaluation_sets.values()))
        started = time.perf_counter()
        batches = self.parts.evaluator.classify(self.parts.learner.model, images)
        seen = sum(len(logits) for logits, _ in itertools.islice(batches, EVALUATED_BATCHES))
        return (time.perf_counter() - started) / seen

    def read_device_bytes(self) -> int:
        """Returns the most memory of the GPU that its work has held at once; 0 without a GPU."""
        device = self.parts.device
        return read_peak_memory(device) - self._bytes_before if device.type == "cuda" else 0


def measure_pace(run: PlannedRun) -> Pace | None:
    """Returns the pace of a run in this process.

    None if the run cannot work; it says why when its turn comes.
    """
    system.reset_peak_memory()
    try:
        timer = StepTimer(run)
        step_seconds, image_seconds = timer.time_step(most_steps=FEW_STEPS), timer.time_evaluation()
    except Exception:  # noqa: BLE001 - an estimate must not end the sweep
        return None
    parts = timer.parts
    pace = Pace(
        step_seconds,
        image_seconds,
        len(parts.batches),
        sum(len(images) for images in parts.evaluation_sets.values()),
        system.read_peak_memory(),
        timer.read_device_bytes(),
        parts.learner.has_graph,
    )
    del timer, parts
    free_memory()
    return pace


def count_rooms(pace: Pace, device: str) -> int:
    """Returns how many runs of that pace the free memory holds, as far as sizes are known."""
    free = [system.read_available_memory(), system.read_memory_limit()]
    rooms = [size // pace.process_bytes for size in free if size and pace.process_bytes]
    if resolve_device(device).type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info()
        rooms.append(
            torch.cuda.device_count() * (free_bytes // (pace.device_bytes + CONTEXT_BYTES))
        )
    return max(1, min(rooms, default=sys.maxsize))
