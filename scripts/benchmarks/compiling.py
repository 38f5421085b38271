"""What `train.compile` does to the speed of training on the CPU, and what it costs first.

The same network is trained compiled and as it is, in turns: a few steps each, of bnexp's own
learner on batches that lie ready. The first step of the compiled network includes the compilation;
*pays off* is the number of steps after which it has been made up for. The losses of the first step
must agree, and something must have been compiled at all.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch._dynamo.utils import counters

from benchmarks.measuring import THREADS, Interval, divide, in_turns
from benchmarks.networks import BATCH_SIZE, NETWORKS, Network
from benchmarks.report import BenchmarkError, Report, Table
from bnexp.config.experiment import ExperimentConfig
from bnexp.training.setup import build_parts

PRECISIONS = ("fp32", "bf16")
STEPS = {"tutorial": 20, "vgg": 2, "resnet20": 4}
"""Steps that are timed together."""
LOSSES_APART = 0.01
"""How far the losses of the first step may be apart, as a share."""


class Side:
    """A network in training, compiled or not."""

    def __init__(self, network: Network, precision: str, *, is_compiled: bool) -> None:
        config = ExperimentConfig.model_validate(
            {
                "name": "compiling",
                "data": {"name": "shapes", "train_size": 2000, "val_size": 0,
                         "batch_size": BATCH_SIZE, "augment": ()},
                "model": network.config,
                "optim": {"learning_rate": network.learning_rate},
                "train": {"precision": precision, "compile": is_compiled, "threads": THREADS},
            }
        )  # fmt: skip
        self.parts = build_parts(config, config.data.load(lambda _: None), torch.device("cpu"))
        self.batches = [
            batch for batch in self.parts.batches.epoch(0) if len(batch[1]) == BATCH_SIZE
        ]
        self.steps, self.loss = 0, math.nan

    def train(self, steps: int) -> float:
        """Returns the seconds that some steps took, one after the other."""
        started = time.perf_counter()
        for _ in range(steps):
            batch = self.batches[self.steps % len(self.batches)]
            self.steps += 1
            result = self.parts.learner.step(self.steps, batch)
        seconds = time.perf_counter() - started
        self.loss = float(result.loss)
        return seconds / steps


def measure_network(
    network: Network, precision: str, rounds: int, seed: int, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Returns the seconds per step in each round, and those of the first step.

    Raises:
        BenchmarkError: Nothing was compiled, or the losses differ.
    """
    sides = {
        name: Side(network, precision, is_compiled=name == "compiled")
        for name in ("as it is", "compiled")
    }
    counters.clear()
    first = {name: [side.train(1)] for name, side in sides.items()}
    if not counters["stats"]["unique_graphs"]:
        raise BenchmarkError(f"{network.name} in {precision} was not compiled")
    own, compiled = (side.loss for side in sides.values())
    if abs(own - compiled) > LOSSES_APART * own:
        what = f"{network.name} in {precision}"
        raise BenchmarkError(f"{what}: the loss is {own:.4f} as it is, {compiled:.4f} compiled")
    runs = {
        name: lambda _, side=side: side.train(STEPS[network.name]) for name, side in sides.items()
    }
    in_turns(runs, 1, seed, say)  # warms up
    found = in_turns(runs, rounds, seed, say)
    return {**found, "first step, compiled": first["compiled"]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--rounds", type=int, default=7)


def measure(options: argparse.Namespace) -> Report:
    """Returns how many times as fast compiled networks train."""
    torch.compiler.config.force_disable_caches = True  # else the second time takes 2 s
    figures, rows = {}, []
    for name in options.networks:
        for precision in PRECISIONS:
            found = measure_network(
                NETWORKS[name], precision, options.rounds, options.seed, options.say
            )
            figures[f"{name} {precision}"] = found
            ratio = divide(found["as it is"], found["compiled"])
            own, compiled = (Interval.of(found[side]) for side in ("as it is", "compiled"))
            (start,) = found["first step, compiled"]
            saved = own.median - compiled.median
            pays = f"{start / saved:,.0f} steps" if ratio.low > 1 else "–"
            speed = f"{BATCH_SIZE / own.median:,.0f}"
            rows.append((name, precision, speed, f"{ratio:.2f}", f"{start:.0f} s", pays))
    header = ("network", "precision", "images/s as it is", "times as fast compiled",
              "the first step takes", "pays off after")  # fmt: skip
    note = f"Batch {BATCH_SIZE}; n = {options.rounds} rounds; medians [95 % intervals]."
    return Report({"compiling": figures}, [Table(header, rows)], [note])
