"""The price of each norm: the same network with each, next to the one without.

The cells of the shipped experiment `every-norm` train in turns, a few steps each. Times are those
of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import cycle
from pathlib import Path

import torch

from benchmarks.measuring import divide, in_turns
from benchmarks.pictures import name_data
from benchmarks.report import Report, Table
from bnexp.config.load import load_experiment
from bnexp.reports.words.cell_names import name_settings
from bnexp.training.setup import TrainingParts, build_parts

CONFIG = Path(__file__).parents[2] / "configs" / "cifar10" / "every-norm.yaml"
STEPS = 3
"""Steps that are timed together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=15)


def measure(options: argparse.Namespace) -> Report:
    """Returns the CPU seconds of each norm's steps in each round."""
    torch.set_num_threads(1)
    parts = build_cells(options.data)
    timers = {name: StepTimer(own) for name, own in parts.items()}
    for timer in timers.values():
        timer(0)
    found = in_turns(timers, options.rounds, options.seed, options.say, threads=1)
    base = next(iter(found))
    rows = []
    for name, seconds in found.items():
        learner = parts[name].learner
        batch = next(parts[name].batches.epoch(0))
        parameters = sum(value.numel() for value in learner.model.parameters())
        ratio = divide(seconds, found[base])
        held = learner.count_bytes(batch) / 2**20
        rows.append((name, f"{ratio:.2f}", f"{parameters:,}", f"{held:.1f}"))
    header = ("norm", f"a step takes, times that of `{base}`", "parameters", "MiB held in training")
    first = statistics.median(found[base]) / STEPS * 1000
    note = (
        f"Batch 128, one thread, fp32; a step with `{base}` takes {first:.0f} ms of CPU time. "
        f"n = {options.rounds} rounds of {STEPS} steps; medians [95 % intervals]."
    )
    return Report({"norms": found}, [Table(header, rows)], [note])


def build_cells(folder: Path | None) -> dict[str, TrainingParts]:
    """Returns what trains in each cell, by the cell's short name; the first is without a norm."""
    data = {**name_data(folder), "train_size": 2000, "val_size": 0, "batch_size": 128}
    written = ", ".join(f"{key}: {json.dumps(value)}" for key, value in data.items())
    runs = [run for run in load_experiment(CONFIG, [f"data={{{written}}}"]).runs if run.seed == 0]
    keys = [key for key in runs[0].settings if key != "model.activation"]  # goes with the norm
    names = name_settings(keys, [run.settings for run in runs])
    dataset = runs[0].config.data.load(lambda _: None)
    return {
        name: build_parts(run.config, dataset, torch.device("cpu"))
        for name, run in zip(names, runs, strict=True)
    }


class StepTimer:
    """Trains a few steps further at each call, and returns the CPU seconds they took."""

    def __init__(self, parts: TrainingParts) -> None:
        self._learner = parts.learner
        self._batches = cycle([*parts.batches.epoch(0)][:-1])  # the last one is smaller
        self._number = 0

    def __call__(self, _: int) -> float:
        """Returns the seconds of the next steps."""
        batches = [next(self._batches) for _ in range(STEPS)]
        started = time.process_time()
        for batch in batches:
            self._number = self._number % self._learner.total_steps + 1
            self._learner.step(self._number, batch)
        return time.process_time() - started
