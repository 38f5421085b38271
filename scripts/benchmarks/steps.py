"""Where the time of a run goes: clocks around the parts of bnexp's own loop.

A run of the tutorial CNN with the default diagnostics and all its files. Each moment counts for
one part: the innermost that is at work. What probes' hooks do during a measured step's forward
pass counts as forward.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.measuring import Interval, divide, in_turns
from benchmarks.networks import NETWORKS
from benchmarks.pictures import Pictures
from benchmarks.report import Report, Table
from benchmarks.sides.bnexp import build_config, train_run, write_config
from bnexp.data.batches import TrainingBatches
from bnexp.launch.run import one_run
from bnexp.launch.run.recorder import RunRecorder
from bnexp.training import loop, step
from bnexp.training.loop import Training
from bnexp.training.population import Evaluator
from bnexp.training.setup import TrainingParts
from bnexp.training.window import Window

METHODS: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("forward", step, ("compute_loss",)),
    ("backward", torch.Tensor, ("backward",)),
    ("metrics", Window, ("add", "write_to", "clear")),
    ("logging", RunRecorder, ("record", "progress", "epoch_done")),
    ("checkpoint", Training, ("_save",)),
    ("diagnostics", loop, ("read_measured",)),
    ("evaluation", Evaluator, ("score",)),
)
"""What is timed, by part; the optimiser, the probes and the batches come on top."""
GENERATORS = (("input", TrainingBatches, "epoch"), ("the loop", Training, "steps"))
"""Likewise, of what works whenever the next value is asked for."""
PARTS = ("input", "forward", "backward", "update", "metrics", "logging", "checkpoint",
         "diagnostics", "evaluation", "the loop", "before and after")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--network", choices=NETWORKS, default="tutorial")
    parser.add_argument("--images", type=int, help="training pictures, instead of the network's")
    parser.add_argument("--rounds", type=int, default=5)


def measure(options: argparse.Namespace) -> Report:
    """Returns the seconds of each part in each round."""
    network = NETWORKS[options.network]
    network = replace(network, images=options.images or network.images)
    data = Pictures.load(options.data, network).config
    with tempfile.TemporaryDirectory() as name:

        def train(seed: int) -> Counter[str]:
            path = write_config(build_config(network, data, seed=seed), Path(name))
            with timing() as clock:
                train_run(path, Path(name))
            return clock.seconds

        train(0)
        rounds = in_turns({"bnexp": train}, options.rounds, options.seed, options.say)["bnexp"]
    found = {part: [seconds[part] for seconds in rounds] for part in PARTS}
    whole = [sum(seconds.values()) for seconds in rounds]
    rows = []
    for part, seconds in found.items():
        micro = Interval.of([1e6 * value / network.steps for value in seconds])
        rows.append((part, f"{micro:,.0f}", f"{divide(seconds, whole).median:.1%}"))
    header = ("part", "µs per step", "share of the run")
    title = f"**{network.name}**, {network.steps} steps in {network.epochs} epochs:"
    note = f"n = {options.rounds} rounds; medians [95 % intervals]."
    return Report({"steps": found}, [Table(header, rows, title)], [note])


class Clock:
    """Adds up seconds by part, each moment for the innermost part that is at work."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = time.perf_counter()

    def switch(self) -> None:
        """Counts the time since the last switch for the part at work."""
        now = time.perf_counter()
        self.seconds[self._open[-1] if self._open else "before and after"] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the time inside for a part."""
        self.switch()
        self._open.append(name)
        try:
            yield
        finally:
            self.switch()
            self._open.pop()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function whose time counts for a part."""

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any function
            with self.part(name):
                return function(*arguments, **named)

        return timed

    def wrap_generator(
        self, name: str, function: Callable[..., Generator[Any, None, Any]]
    ) -> Callable[..., Generator[Any, None, Any]]:
        """Returns a generator whose time counts for a part, that between its values apart."""

        @wraps(function)
        def timed(*arguments: Any) -> Generator[Any, None, Any]:  # noqa: ANN401
            values = function(*arguments)
            while True:
                try:
                    with self.part(name):
                        value = next(values)
                except StopIteration as end:
                    return end.value
                yield value

        return timed


@contextmanager
def timing() -> Iterator[Clock]:
    """Puts clocks around the parts of every run inside."""
    clock = Clock()
    build = one_run.build_parts

    def build_timed(*arguments: Any) -> TrainingParts:  # noqa: ANN401
        parts = build(*arguments)
        for method in ("step", "zero_grad"):
            original = getattr(parts.learner.optimizer, method)
            setattr(parts.learner.optimizer, method, clock.wrap("update", original))
        return replace(parts, probes=tuple(TimedProbe(probe, clock) for probe in parts.probes))

    with ExitStack() as patches:
        for part, owner, names in METHODS:
            for name in names:
                timed = clock.wrap(part, getattr(owner, name))
                patches.enter_context(mock.patch.object(owner, name, timed))
        patches.enter_context(mock.patch.object(one_run, "build_parts", build_timed))
        for part, owner, name in GENERATORS:
            timed = clock.wrap_generator(part, getattr(owner, name))
            patches.enter_context(mock.patch.object(owner, name, timed))
        yield clock
        clock.switch()


class TimedProbe:
    """A probe whose work counts as diagnostics."""

    def __init__(self, probe: Any, clock: Clock) -> None:  # noqa: ANN401
        self.is_due, self.hook = probe.is_due, probe.hook
        self.before_update = clock.wrap("diagnostics", probe.before_update)
        self.after_update = clock.wrap("diagnostics", lambda step: [*probe.after_update(step)])
