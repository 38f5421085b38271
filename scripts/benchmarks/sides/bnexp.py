"""The real thing: from a YAML file to a run folder with all its files."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from rich.console import Console
from torch import Tensor

from benchmarks.networks import MOMENTUM, WEIGHT_DECAY, Network
from benchmarks.pictures import Pictures
from benchmarks.report import BenchmarkError
from benchmarks.sides.outcome import Outcome, Run, Side
from bnexp.config.load import load_experiment
from bnexp.data.batches import TrainingBatches
from bnexp.launch.engines.launcher import LocalLauncher
from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.plan import plan_runs
from bnexp.launch.screen.display import LineDisplay
from bnexp.launch.screen.progress import RunSize, SweepProgress
from bnexp.launch.stop import StopSignal
from bnexp.runs import RunRecord, read_run
from bnexp.training.loop import Training


def bnexp_side(network: Network, pictures: Pictures, folder: Path, precision: str) -> Side:
    """Returns bnexp at a precision."""

    def prepare(seed: int) -> Run:
        config = build_config(network, pictures.config, precision=precision, seed=seed)
        path = write_config(config, folder)

        def train() -> Outcome:
            with timing_epochs() as seconds, timing_last_evaluation() as last:
                record = train_run(path, folder)
            summary = record.summary
            accuracy = (
                summary.final["test/accuracy"] if record.state == "finished" else float("nan")
            )
            return Outcome(accuracy, sum(seconds), sum(last))

        return train

    return prepare


def build_config(
    network: Network, data: dict[str, Any], precision: str = "fp32", seed: int = 0
) -> dict[str, Any]:
    """Returns the config of one run."""
    return {
        "name": "benchmark",
        "data": data,
        "model": network.config,
        "optim": {
            "name": "sgd",
            "learning_rate": network.learning_rate,
            "momentum": MOMENTUM,
            "weight_decay": WEIGHT_DECAY,
            "schedule": {"name": "cosine", "warmup_epochs": 0},
        },
        "train": {"epochs": network.epochs, "device": "cpu", "precision": precision, "seed": seed},
    }


def write_config(config: dict[str, Any], folder: Path) -> Path:
    """Writes a config, and removes the run of an earlier one; JSON is YAML."""
    shutil.rmtree(folder / config["name"], ignore_errors=True)
    path = folder / "benchmark.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def train_run(config: Path, folder: Path) -> RunRecord:
    """Trains the one run of a config through the launcher, and returns its record."""
    with (folder / "console.txt").open("w", encoding="utf-8") as file, StopSignal() as stop:
        planned = plan_runs(load_experiment(config), folder, is_forced=False)
        own = planned[0].spec.config
        size = RunSize("", 0, own.train.epochs, 0, own.data.batch_size)
        show = LineDisplay(Console(file=file), SweepProgress([size])).show
        LocalLauncher().train(Ledger(planned, show, stop.is_set), stop)
    return read_run(planned[0].folder.path)


@contextmanager
def timing_epochs() -> Iterator[list[float]]:
    """Gives the seconds of each epoch's training, from asking for its first batch to its end."""
    seconds: list[float] = []
    draw = TrainingBatches.epoch

    def draw_timed(
        self: TrainingBatches, epoch: int, first_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        started = time.perf_counter()
        yield from draw(self, epoch, first_step)
        seconds.append(time.perf_counter() - started)

    with mock.patch.object(TrainingBatches, "epoch", draw_timed):
        yield seconds


@contextmanager
def timing_last_evaluation() -> Iterator[list[float]]:
    """Gives the seconds of the evaluation on training pictures, which no other trainer does."""
    seconds: list[float] = []
    score = Training._score

    def score_timed(self: Training, prefix: str, *rest: Any) -> dict[str, float]:  # noqa: ANN401
        started = time.perf_counter()
        scores = score(self, prefix, *rest)
        if prefix == "train_eval":
            seconds.append(time.perf_counter() - started)
        return scores

    with mock.patch.object(Training, "_score", score_timed):
        yield seconds
    if len(seconds) != 1:
        raise BenchmarkError("bnexp's evaluation on training pictures was not found")
