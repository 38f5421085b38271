"""What diagnostics cost: measured steps against plain ones.

Each side trains a network of its own and measures every step; the sides take turns step by step.
All networks must end with the same bits, and each side must have written its rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scipy import stats

from benchmarks.networks import NETWORKS
from benchmarks.pictures import Pictures
from benchmarks.report import BenchmarkError, Report, Table
from benchmarks.sides.bnexp import build_config, train_run, write_config
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.data.dataset import Dataset
from bnexp.diagnostics import DIAGNOSTICS, DiagnosticConfig
from bnexp.parts import part_name
from bnexp.runs import MetricsLog
from bnexp.runs.streams.tensorboard import EventWriter
from bnexp.runs.streams.tensorboard_events import histograms_event, scalars_event
from bnexp.training.loop import read_measured
from bnexp.training.setup import build_parts
from bnexp.training.step import Batch, compute_loss

MOST_SHARE = 0.03
"""What the diagnostics that are on by default may cost together, as a share of training."""
BLOCK = 1
"""Steps of a side per turn: few, as a measured step comes after many plain ones in a run."""

Diagnostics = Sequence[DiagnosticConfig]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)


def measure(options: argparse.Namespace) -> Report:
    """Returns by round what a measured step of each side costs, in plain steps.

    Raises:
        BenchmarkError: A side did not do its work.
    """
    network = replace(NETWORKS["tutorial"], images=options.images, epochs=1)
    data = Pictures.load(options.data, network).config
    default: Diagnostics = ExperimentConfig.model_fields["diagnostics"].default
    alone: dict[str, Diagnostics] = {str(part_name(one)): (one(),) for one in DIAGNOSTICS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = build_config(network, data)
        check_runs(config, folder)
        sides = {"by hand": None, "off": (), "default": default, **alone}
        experiment = load_experiment(write_config(config, folder)).runs[0].config
        found = measure_sides(experiment, sides, options.rounds, folder, options.say)
    del found["by hand"]
    rows = []
    for side, ratios in found.items():
        middle, half = describe(ratios)
        share = (middle - 1) / network.steps
        name = "off, next to a step by hand" if side == "off" else side
        once = "" if side == "off" else f"{share:+.2%} ± {half / network.steps:.2%}"
        rows.append((name, f"{middle:.3f} ± {half:.3f}", once))
    costs = (describe(found["default"])[0] - 1) / network.steps
    header = ("diagnostics", "a measured step takes, in plain steps",
              f"once per epoch of {network.steps} steps")  # fmt: skip
    return Report(
        {"diagnostics": found},
        [Table(header, rows)],
        [f"One thread, CPU time; ± is half a 95 % t interval over {options.rounds} rounds."],
        [f"the default diagnostics cost {costs:.1%}, more than {MOST_SHARE:.0%} of training"]
        if costs > MOST_SHARE
        else [],
    )


def describe(ratios: Sequence[float]) -> tuple[float, float]:
    """Returns the geometric mean of ratios, and half the length of its 95 % t interval."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = math.exp(statistics.mean(logs))
    half = stats.t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / len(logs) ** 0.5
    return middle, middle * half


def check_runs(config: dict[str, Any], folder: Path) -> None:
    """Trains a run with no diagnostics and one with all.

    Raises:
        BenchmarkError: They have not the same final figures, or a diagnostic has no rows.
    """
    finals = []
    for names in ([], [part_name(one) for one in DIAGNOSTICS]):
        run = train_run(write_config({**config, "diagnostics": names}, folder), folder)
        finals.append({tag: one for tag, one in run.summary.final.items() if "perf/" not in tag})
        text = (run.path / "metrics.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        tags = {tag for row in rows for tag in row if tag.startswith("diag/")}
        epochs = {row["epoch"] for row in rows if any(tag in tags for tag in row)}
        if bool(tags) != bool(names) or (names and len(epochs) != run.summary.epochs):
            raise BenchmarkError(
                f"the run with diagnostics {names} has rows of {len(tags)} tags, {epochs}"
            )
    if finals[0] != finals[1]:
        raise BenchmarkError(f"diagnostics changed a run: {finals[0]} became {finals[1]}")


def measure_sides(
    config: ExperimentConfig,
    sides: dict[str, Diagnostics | None],
    rounds: int,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, list[float]]:
    """Returns the CPU time of each side's steps by round, as ratios to the side `off`.

    Each side trains a network of its own on the same batches, so that all must end with the same
    bits. None stands for a step that is written by hand, and is what `off` is compared with.
    """
    torch.set_num_threads(1)
    dataset = config.data.load(lambda _: None)
    trained = {name: Side(config, dataset, own, folder / name) for name, own in sides.items()}
    batches = itertools.cycle([*trained["off"].parts.batches.epoch(0)])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        block = [next(batches) for _ in range(BLOCK)]
        for name, side in trained.items():
            started = time.process_time()
            side.train(block)
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - started)
        say(f"round {number} of {rounds}")
    for name, side in trained.items():
        side.close()
        if side.read_bits() != trained["off"].read_bits():
            raise BenchmarkError(f"{name}: the network is not what it is without diagnostics")
        if len(side.measured) != (BLOCK * (rounds + 1) if sides[name] else 0):
            raise BenchmarkError(f"{name}: {len(side.measured)} steps were measured")
    base = {name: seconds["by hand" if name == "off" else "off"] for name in sides}
    return {
        name: [own / other for own, other in zip(seconds[name], base[name], strict=True)]
        for name in sides
    }


class Side:
    """A network that trains in turn with others, and measures every step."""

    def __init__(
        self,
        config: ExperimentConfig,
        dataset: Dataset,
        diagnostics: Diagnostics | None,
        folder: Path,
    ) -> None:
        own = config.model_copy(update={"diagnostics": diagnostics or ()})
        self.parts = build_parts(own, dataset, torch.device("cpu"))
        self._is_by_hand = diagnostics is None
        self._precision = config.train.precision
        folder.mkdir()
        self._rows, self._events = MetricsLog(folder / "metrics.jsonl"), EventWriter(folder, print)
        self.measured: list[int] = []
        """The steps of which there is a row."""
        self._number = 0

    def train(self, batches: Sequence[Batch]) -> None:
        """Does a step on each batch, and writes what was measured."""
        for batch in batches:
            self._number += 1
            if self._is_by_hand:
                self._step_by_hand(batch)
                continue
            result = self.parts.learner.step(self._number, batch, self.parts.probes)
            if result.measured:
                values, histograms = read_measured(result.measured)
                self._rows.write(self._number, 1, 0.0, values, histograms)
                self._events.write(scalars_event, self._number, 0.0, values)
                self._events.write(histograms_event, self._number, 0.0, histograms)
                self.measured.append(self._number)

    def _step_by_hand(self, batch: Batch) -> None:
        learner = self.parts.learner
        for group in learner.optimizer.param_groups:
            group["lr"] = learner.learning_rate(self._number)
        loss, _ = compute_loss(learner.model, batch, self._precision)
        learner.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        learner.optimizer.step()

    def close(self) -> None:
        """Closes the files."""
        self._rows.close()
        self._events.close()

    def read_bits(self) -> list[bytes]:
        """Returns what the network has become."""
        return [value.numpy().tobytes() for value in self.parts.learner.model.state_dict().values()]
