"""How long the commands that read finished runs take.

`python scripts/benchmark.py compare`: `bnexp compare` next to reading the same runs' event files.
The runs are made up, but look as training would leave them: one folder per run with status,
environment, summary, `metrics.jsonl`, and an event file with the same number of rows.

- command: all of `bnexp compare` from the shell, including TensorBoard's `_compare` folder,
  which is either rewritten ("first") or found unchanged ("again").
- after imports: reading, statistics and table in a process that has imported everything.
- EventAccumulator: TensorBoard's own reader over all event files, which keeps every scalar. A
  comparison based on TensorBoard's files would have to do this before it starts.

`python scripts/benchmark.py many`: `bnexp ls` and `bnexp compare` from the shell over 10,000 such
runs (200 cells with 50 seeds each, 10 epochs, no rows), next to the imports of `bnexp compare`.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bnexp.config.load import RunSpec, load_experiment
from bnexp.launch.resolved_config import resolved_config
from bnexp.runs import RunDir, Summary
from bnexp.runs.environment import describe_environment
from bnexp.runs.tensorboard import EventWriter
from bnexp.runs.tensorboard_events import scalars_event

SEEDS = 5
EPOCHS = 100
MANY_RUNS = 10_000
MANY_EPOCHS = 10
MANY_SEEDS = 50

CONFIG = """\
name: compared
data: {{name: shapes}}
model: {{name: cnn, layers: [{{conv: 8}}], head: global_avg_pool}}
optim: {{name: sgd}}
train: {{epochs: {epochs}}}
sweep:
  seeds: {seeds}
  grid:
    model.norm.name: [none, batch]
    optim.learning_rate: [{rates}]
"""


def benchmark_compare(runs: int, rows: int, rounds: int) -> dict[str, list[float]]:
    """Returns each side's seconds in each round, and prints medians and ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"making {runs} runs of {rows:,} rows …", flush=True)
        experiment = make_runs(folder, runs, rows)
        sides: dict[str, Callable[[], None]] = {
            "command, first": lambda: _compare_from_the_shell(folder, is_first=True),
            "command, again": lambda: _compare_from_the_shell(folder, is_first=False),
            "after imports": lambda: _compare_here(folder),
            "EventAccumulator": lambda: _read_events(experiment),
        }
        _compare_here(folder)  # imports
        found: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(1, rounds + 1):
            for side, work in sides.items():
                started = time.perf_counter()
                work()
                found[side].append(time.perf_counter() - started)
                print(f"round {number}  {side:<17} {found[side][-1]:7.2f} s", flush=True)
    reading = statistics.median(found["EventAccumulator"])
    for side, seconds in found.items():
        median = statistics.median(seconds)
        print(
            f"{side:<17} median {median:7.2f} s   EventAccumulator takes {reading / median:6.1f} x"
        )
    return found


def benchmark_many(rounds: int) -> dict[str, list[float]]:
    """Returns each command's seconds in each round, and prints medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"making {MANY_RUNS:,} runs …", flush=True)
        make_runs(folder, MANY_RUNS, 0, MANY_EPOCHS, MANY_SEEDS)
        imports = "import bnexp.cli.compare, bnexp.analysis.comparison, scipy.special"
        sides = {
            "imports alone": ["-c", imports],
            "ls": ["-m", "bnexp", "ls", "--runs-dir", name],
            "ls NAME": ["-m", "bnexp", "ls", "compared", "--runs-dir", name],
            "compare": ["-m", "bnexp", "compare", "--runs-dir", name],
        }
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, arguments in sides.items():
                started = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
                found[side].append(time.perf_counter() - started)
    for side, seconds in found.items():
        shown = "  ".join(f"{value:.2f}" for value in seconds)
        print(f"{side:<14} median {statistics.median(seconds):5.2f} s   ({shown})")
    return found


def make_runs(folder: Path, runs: int, rows: int, epochs: int = EPOCHS, seeds: int = SEEDS) -> Path:
    """Writes finished runs of an experiment called `compared`, and returns its folder."""
    rates = ", ".join(f"{index / 1000:g}" for index in range(1, runs // (2 * seeds) + 1))
    config = folder / "compared.yaml"
    config.write_text(CONFIG.format(epochs=epochs, seeds=seeds, rates=rates), encoding="utf-8")
    experiment = load_experiment(config)
    environment = {**describe_environment(), "device": "cpu", "threads": 1}
    for place, spec in enumerate(experiment.runs):
        _make_run(folder, spec, place // seeds, rows, environment)
    return folder / experiment.name


def _make_run(
    folder: Path, spec: RunSpec, cell: int, rows: int, environment: Mapping[str, Any]
) -> None:
    epochs = spec.config.train.epochs
    run = RunDir.of(folder, {**spec.identity, "fingerprint": "f" * 64})
    run.create("# made up\n", {**environment, "config": resolved_config(spec)})
    noise = random.Random(1000 * spec.seed + cell).gauss(0, 0.01)
    best = 0.5 + cell / 1000 + noise
    curve = tuple(best * (1 - 0.9 ** (epoch + 1)) for epoch in range(epochs))
    values = {"train/loss": 1.0, "train/accuracy": 0.5, "optim/learning_rate": 0.1}
    events = EventWriter(run.path, print)
    with run.metrics.open("w", encoding="utf-8") as file:
        for step in range(1, rows + 1):
            file.write(
                json.dumps({"step": step, "epoch": 1, "elapsed_seconds": 1.0, **values}) + "\n"
            )
            events.write(scalars_event, step, 1.0, values)
    for epoch, value in enumerate(curve, start=1):
        events.write(scalars_event, epoch * rows // epochs, 1.0, {"test/accuracy": value})
    events.close()
    history = dict.fromkeys(("train/accuracy", "test/accuracy", "train/loss", "test/loss"), curve)
    final = {tag: values[-1] for tag, values in history.items()}
    run.write_summary(
        Summary("finished", epochs, rows, 60.0, 5000.0, 10**9, 1000, final, {}, history)
    )


def _compare_from_the_shell(folder: Path, is_first: bool) -> None:
    if is_first:
        shutil.rmtree(folder / "compared" / "_compare", ignore_errors=True)
    command = [sys.executable, "-m", "bnexp", "compare", "--runs-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def _compare_here(folder: Path) -> None:
    from bnexp.analysis.comparison import compare_runs
    from bnexp.reports.terminal import render_text
    from bnexp.runs import read_experiments

    render_text(compare_runs(read_experiments(["compared"], folder)))


def _read_events(experiment: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for run in experiment.glob("[!_]*/seed=*"):
        EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
